// Target: where an upstream's requests go, as the config writes it: "http://orders:9000", "https://10.0.0.7".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/error.h"

namespace sallyport::upstream {

struct Target {
  bool tls = false;
  std::string host;       // without brackets
  uint16_t port = 0;      // 80 or 443 if the URL names none
  std::string authority;  // host[:port] as the Host header has it
};

// scheme://host[:port] and nothing behind it but an optional "/"; http or https. The error's detail says what
// is wrong.
Result<Target> parse_target(std::string_view url);

}  // namespace sallyport::upstream
