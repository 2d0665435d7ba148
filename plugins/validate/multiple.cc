#include "plugins/validate/multiple.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

constexpr long double exact_max = 0x1p53L;  // below it a double has every whole number

}  // namespace

Multiple Multiple::parse(std::string_view text, long double of) {
  constexpr int64_t scale_max = 18;
  Multiple out{of};
  const size_t exponent = std::min(text.find_first_of("eE"), text.size());
  const size_t point = std::min(text.find('.'), exponent);
  std::string all(text.substr(0, point));
  if (point < exponent) all += text.substr(point + 1, exponent - point - 1);
  const auto digits = text::parse_decimal(all);
  const std::string shift(text.substr(std::min(exponent + 1, text.size())));
  const int64_t fraction = static_cast<int64_t>(all.size() - point);
  const int64_t scale = fraction - std::clamp<int64_t>(std::strtoll(shift.c_str(), nullptr, 10), -99, 99);
  if (!digits || scale < 0 || scale > scale_max) return out;
  out.digits = *digits;
  for (int64_t i = 0; i < scale; ++i) out.power *= 10;
  return out;
}

bool Multiple::has(long double value) const noexcept {
  const auto whole = static_cast<long double>(digits);
  if (digits != 0 && std::trunc(value) == value) {  // exact, whatever its size
    const auto rest = static_cast<unsigned __int128>(std::fmod(std::fabs(value), whole));
    return rest * power % digits == 0;
  }
  const long double scaled = std::round(value * static_cast<long double>(power));
  if (digits != 0 && std::fabs(scaled) < exact_max) {  // the division rounds once, as reading the value did
    return std::fmod(scaled, whole) == 0 && static_cast<double>(scaled) / static_cast<double>(power) == value;
  }
  const long double quotient = std::round(value / of);
  return std::fmod(value, of) == 0 ||
         (std::fabs(quotient) < exact_max && static_cast<double>(quotient * of) == value);
}

}  // namespace sallyport
