#include "gateway/upstream/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "gateway/base/arena.h"
#include "gateway/base/host_name.h"
#include "gateway/base/text.h"
#include "gateway/http/uri.h"

namespace sallyport::upstream {
namespace {

struct Scheme {
  std::string_view prefix;
  bool tls, http2;
};
constexpr std::array<Scheme, 4> schemes = {
    {{"http://", false, false}, {"https://", true, false}, {"h2://", true, true}, {"h2c://", false, true}}};

}  // namespace

Result<Target> parse_target(std::string_view url) {
  Target target;
  std::string_view rest = url;
  if (url.contains('@')) {  // not shown: it may be a password
    return fail(Code::invalid_data, "bad_target",
                "this is not a target: there may be no name and no password in it");
  }
  const auto* scheme =
      std::ranges::find_if(schemes, [&](const Scheme& s) { return url.starts_with(s.prefix); });
  if (scheme == schemes.end()) {
    return fail(Code::invalid_data, "bad_target",
                fmt::format("\"{}\" is not a target: write http://host:port or https://host:port, or for "
                            "HTTP/2 h2://host:port (TLS) or h2c://host:port",
                            text::printable(url)));
  }
  target.tls = scheme->tls;
  target.http2 = scheme->http2;
  rest.remove_prefix(scheme->prefix.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.contains('/')) {
    return fail(
        Code::invalid_data, "bad_target",
        fmt::format("\"{}\" is not a target: it ends with the host or the port; what path a route's requests "
                    "are to have there says its forward.path",
                    text::printable(url)));
  }
  BlockPool pool;
  Arena arena(pool);
  Result<http::Authority> authority = http::parse_authority(rest, arena);
  if (!authority) {
    return fail(Code::invalid_data, "bad_target",
                fmt::format("\"{}\" is not a target: {}; nothing may follow the port", text::printable(url),
                            authority.error().detail));
  }
  target.host = authority->host;
  if (target.host.starts_with('[')) target.host = target.host.substr(1, target.host.size() - 2);
  if (!is_numeric_host(target.host) && !is_host_name(target.host)) {
    return fail(Code::invalid_data, "bad_target",
                fmt::format("\"{}\" is not a target: its host is neither an address nor a name",
                            text::printable(url)));
  }
  target.port = authority->port.value_or(target.tls ? 443 : 80);
  target.authority = rest;
  return target;
}

bool Target::is_same(const Target& other) const {
  return tls == other.tls && http2 == other.http2 && port == other.port &&
         numeric_host(text::to_lower(host)) == numeric_host(text::to_lower(other.host));
}

size_t connections_least(const std::vector<Target>& targets) noexcept {
  const auto of_http2 = std::ranges::count_if(targets, &Target::http2);
  return static_cast<size_t>(of_http2) + (std::ranges::all_of(targets, &Target::http2) ? 0 : 1);
}

}  // namespace sallyport::upstream
