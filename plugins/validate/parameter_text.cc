#include "plugins/validate/parameter_text.h"

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

constexpr size_t exact_digits = 15;  // of a fraction: so many a double keeps, zeros in front included

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool is_plain_number(Slice text, bool takes_fractions) noexcept {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  if (point == Slice::npos) {  // 64 bits are exact
    const auto magnitude = text::parse_decimal(text);
    return magnitude && (!negative || *magnitude <= uint64_t{1} << 63);
  }
  const auto is_digits = [](Slice part) {
    return !part.empty() && std::ranges::all_of(part, text::is_digit);
  };
  return takes_fractions && text.size() <= exact_digits + 1 && is_digits(text.substr(0, point)) &&
         is_digits(text.substr(point + 1));
}

}  // namespace

bool is_read_alike(const Schema& schema, Slice text) noexcept {
  if (schema.takes_text() || text.empty()) return true;
  if (is_blank(text.front()) || is_blank(text.back())) return false;
  const bool number = text.front() == '-' || text::is_digit(text.front());
  return !number || is_plain_number(text, schema.takes_fractions());
}

}  // namespace sallyport
