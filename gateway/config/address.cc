#include "gateway/config/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "gateway/base/host_name.h"
#include "gateway/base/text.h"

namespace sallyport::config {
namespace {

constexpr uint16_t dns_port = 53;
constexpr uint32_t databases_max = 65535;
constexpr size_t unix_path_max = 107;  // sun_path of Linux, less its final NUL

std::unexpected<Error> bad(std::string detail) {
  return fail(Code::invalid_data, "bad_address", std::move(detail));
}

// RFC 3986 section 3.2.3, without leading zeros.
std::optional<uint16_t> parse_port(std::string_view digits) noexcept {
  const auto number = text::parse_decimal(digits);
  if (!number || *number > std::numeric_limits<uint16_t>::max()) return std::nullopt;
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  return static_cast<uint16_t>(*number);
}

struct HostPort {
  std::string host;
  std::optional<std::string_view> port;
};

// host, host:port, [v6] or [v6]:port; nullopt if it is none of these. The port is not looked at.
std::optional<HostPort> split(std::string_view text) {
  HostPort parts;
  std::string_view behind;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return std::nullopt;
    parts.host = text::to_lower(text.substr(1, end - 1));
    behind = text.substr(end + 1);
    if (!parts.host.contains(':') || !is_numeric_host(parts.host)) return std::nullopt;
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    parts.host = text::to_lower(text.substr(0, colon));
    behind = text.substr(colon);
    const bool number = std::ranges::all_of(parts.host, text::is_digit);
    if (!is_numeric_host(parts.host) && (number || !is_host_name(parts.host))) return std::nullopt;
  }
  if (behind.empty()) return parts;
  if (behind.front() != ':') return std::nullopt;
  parts.port = behind.substr(1);
  return parts;
}

// What an IPv6 address without brackets was meant to be; empty: it is none.
std::string with_brackets(std::string_view text) {
  const size_t colon = std::min(text.rfind(':'), text.size());
  const std::string_view host = text.substr(0, colon);
  const bool has_port =
      host.contains(':') && is_numeric_host(host) && parse_port(text.substr(colon).substr(1));
  if (has_port) return fmt::format("[{}]{}", host, text.substr(colon));
  return text.contains(':') && is_numeric_host(text) ? fmt::format("[{}]:8443", text) : "";
}

Result<Address> parse_unix(std::string_view path) {
  if (!path.starts_with('/') || path.ends_with('/') || path.contains('\0')) {
    return bad("expected an absolute path behind \"unix:\", as in unix:/run/sallyport.sock");
  }
  if (path.size() > unix_path_max)
    return bad(fmt::format("a socket's path has at most {} bytes", unix_path_max));
  Address address;
  address.kind = Address::Kind::unix_path;
  address.path = path;
  return address;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  const std::string shown = text::printable(text);
  if (const std::string meant = with_brackets(text); !meant.empty())
    return bad(fmt::format("\"{}\": an IPv6 address stands in brackets: write \"{}\"", shown, meant));
  if (text.starts_with(':')) {
    return bad(
        fmt::format("\"{}\" has no host: write 0.0.0.0{} or [::]{} for all of them", shown, shown, shown));
  }
  const auto parts = split(text);
  if (!parts) {
    return bad(fmt::format("\"{}\" is no address: expected host:port, [v6]:port or unix:/path", shown));
  }
  if (!parts->port) return bad(fmt::format("\"{}\" has no port: expected host:port", shown));
  const auto port = parse_port(*parts->port);
  if (!port) return bad(fmt::format("\"{}\": a port is a number from 0 to 65535", shown));
  if (!is_numeric_host(parts->host) && parts->host != "localhost") {
    return bad(
        fmt::format("\"{}\" is a name, which would have to be looked up: write an address of this "
                    "machine, or 0.0.0.0:{} or [::]:{} for all of them",
                    shown, *port, *port));
  }
  Address address;
  address.host = parts->host == "localhost" ? "127.0.0.1" : numeric_host(parts->host);
  address.port = *port;
  return address;
}

Result<Address> parse_dns_server(std::string_view text) {
  const auto parts = split(text);
  const bool numeric = parts && is_numeric_host(parts->host);
  const auto port = numeric && parts->port ? parse_port(*parts->port) : std::optional<uint16_t>(dns_port);
  if (!numeric || !port || *port == 0) {
    return bad(
        fmt::format("\"{}\" is no address of a DNS server: expected 10.0.0.53, 10.0.0.53:53 or [v6]:53",
                    text::printable(text)));
  }
  Address address;
  address.host = parts->host;
  address.port = *port;
  return address;
}

std::string to_string(const Address& address) {
  if (address.kind == Address::Kind::unix_path) return "unix:" + address.path;
  const bool v6 = address.host.contains(':');
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

Result<RedisUrl> parse_redis_url(std::string_view url) {
  RedisUrl parsed;
  if (url.starts_with("rediss://")) {
    parsed.tls = true;
    url.remove_prefix(9);
  } else if (url.starts_with("redis://")) {
    url.remove_prefix(8);
  } else {
    return bad("expected redis://host:port or, for TLS, rediss://host:port");
  }
  if (url.contains('@')) {
    return bad("no name and no password in the URL: they have keys of their own, username and password");
  }
  const size_t slash = std::min(url.find('/'), url.size());
  const std::string_view database = url.substr(std::min(slash + 1, url.size()));
  const auto parts = split(url.substr(0, slash));
  if (!parts) return bad("the host of the URL is neither a name nor an address");
  parsed.host = parts->host;
  if (parts->port) {
    const auto port = parse_port(*parts->port);
    if (!port || *port == 0) return bad("the port of the URL is no number from 1 to 65535");
    parsed.port = *port;
  }
  if (!database.empty()) {
    const auto number = text::parse_decimal(database);
    const bool digits = database.find_first_not_of("0123456789") == database.npos;
    if (digits && (!number || *number > databases_max))
      return bad(fmt::format("the number of the database is too large: {} at most", databases_max));
    if (!number) return bad("behind the host there may be \"/\" and the number of a database, no more");
    parsed.database = static_cast<uint32_t>(*number);
  }
  return parsed;
}

}  // namespace sallyport::config
