// Target: where an upstream's requests go, as the config writes it: "http://orders:9000", "https://10.0.0.7",
// "h2c://greeter:50051".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/error.h"

namespace sallyport::upstream {

struct Target {
  bool tls = false;
  bool http2 = false;
  std::string host;       // without brackets
  uint16_t port = 0;      // 80, with TLS 443, if the URL names none
  std::string authority;  // host[:port] as the Host header has it

  // Both ask the same of the same address, or of the same name, however it is written.
  bool is_same(const Target& other) const;
};

// scheme://host[:port] and nothing behind it but an optional "/". The schemes: http, https; h2 for HTTP/2
// over TLS, h2c for HTTP/2 without (RFC 9113 section 3.3, prior knowledge). The error's detail says what is
// wrong.
Result<Target> parse_target(std::string_view url);

// How many connections there must be for each HTTP/2 target to have one, and those of HTTP/1.1 one together.
size_t connections_least(const std::vector<Target>& targets) noexcept;

}  // namespace sallyport::upstream
