// Address: where a listener listens, or a DNS server: "0.0.0.0:8443", "[::]:8443", "localhost:8080"
// (which is 127.0.0.1), "unix:/run/sallyport.sock". RedisUrl: where a store is: "redis://127.0.0.1:6379/0".
//
// Values; any thread. No name is resolved here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/error.h"

namespace sallyport::config {

struct Address {
  enum class Kind : uint8_t { ip, unix_path };
  Kind kind = Kind::ip;
  std::string host;   // ip: a numeric address without brackets, in the one spelling of RFC 5952
  uint16_t port = 0;  // ip; 0: one that the system chooses
  std::string path;   // unix_path: absolute, at most 107 bytes
  bool operator==(const Address&) const = default;
};

// Errors: invalid_data, with a detail that shows what is expected.
Result<Address> parse_address(std::string_view text);

// A DNS server: a numeric address, and a port unless it is 53. Errors: invalid_data.
Result<Address> parse_dns_server(std::string_view text);

// The form that parse_address reads.
std::string to_string(const Address& address);

struct RedisUrl {
  bool tls = false;  // rediss://
  std::string host;  // without brackets, lower case
  uint16_t port = 6379;
  uint32_t database = 0;  // for SELECT
  bool operator==(const RedisUrl&) const = default;
};

// redis[s]://host[:port][/database], and nothing else: a password has no place in it. Errors: invalid_data;
// the detail never repeats what could be a password.
Result<RedisUrl> parse_redis_url(std::string_view url);

}  // namespace sallyport::config
