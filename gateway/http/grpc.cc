#include "gateway/http/grpc.h"

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport::http::grpc {

bool is_call(const Request& request) noexcept {
  if (request.version != Version::http2) return false;
  const Slice type = request.headers.get(HeaderId::content_type);
  if (!text::iequals(type.substr(0, content_type.size()), content_type)) return false;
  return type.size() == content_type.size() || type[content_type.size()] == '+' ||
         type[content_type.size()] == ';';
}

std::optional<Duration> timeout(const Request& request) noexcept {
  constexpr size_t digits_max = 8;
  constexpr std::chrono::hours year(24 * 365);  // the most that is counted
  const Slice value = request.headers.get("grpc-timeout");
  if (value.size() < 2 || value.size() > digits_max + 1) return std::nullopt;
  const auto count = text::parse_decimal(value.substr(0, value.size() - 1));
  if (!count) return std::nullopt;
  const auto n = static_cast<int64_t>(*count);
  switch (value.back()) {
    case 'H':
      return std::chrono::hours(std::min<int64_t>(n, year.count()));
    case 'M':
      return std::min<Duration>(std::chrono::minutes(n), year);
    case 'S':
      return seconds(n);
    case 'm':
      return milliseconds(n);
    case 'u':
      return std::chrono::microseconds(n);
    case 'n':
      return std::chrono::nanoseconds(n);
    default:
      return std::nullopt;
  }
}

std::string message(Slice text) {
  constexpr Slice digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += {'%', digits[byte >> 4], digits[byte & 0xf]};
    }
  }
  return out;
}

}  // namespace sallyport::http::grpc
