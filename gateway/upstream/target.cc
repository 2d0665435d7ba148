#include "gateway/upstream/target.h"

#include <fmt/format.h>

#include <optional>

#include "gateway/base/arena.h"
#include "gateway/base/text.h"
#include "gateway/http/uri.h"

namespace sallyport::upstream {

Result<Target> parse_target(std::string_view url) {
  Target target;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    target.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(Code::invalid_data, "bad_target",
                fmt::format("\"{}\" is not a target: write http://host:port or https://host:port",
                            text::printable(url)));
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
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
  target.port = authority->port.value_or(target.tls ? 443 : 80);
  target.authority = rest;
  return target;
}

}  // namespace sallyport::upstream
