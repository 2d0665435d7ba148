#include "gateway/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
// From large to small.
constexpr std::array<Unit, 7> duration_units = {{{"d", 86'400'000'000'000},
                                                 {"h", 3'600'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"ms", 1'000'000},
                                                 {"us", 1'000},
                                                 {"ns", 1}}};
constexpr std::array<Unit, 4> byte_units = {
    {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};

std::unexpected<Error> bad_unit(std::string_view text, std::string_view expected) {
  return fail(Code::invalid_data, "bad_unit",
              fmt::format("\"{}\" is not {}", text::printable(text), expected));
}

std::unexpected<Error> too_large(std::string_view text, const std::string& most) {
  return fail(Code::invalid_data, "too_large",
              fmt::format("\"{}\" is too large: {} at most", text::printable(text), most));
}

enum class Wrong : uint8_t { form, size };

// "1.5s" → 1.5 × 10⁹; what is left of a fraction below the smallest unit is cut off.
template <size_t N>
std::expected<uint64_t, Wrong> parse_with_unit(std::string_view text, const std::array<Unit, N>& units,
                                               uint64_t most) {
  if (text == "0") return 0;
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, digits);
  const auto* unit = std::ranges::find(units, text.substr(digits), &Unit::name);
  const size_t dot = std::min(number.find('.'), number.size());
  const std::string_view whole_part = number.substr(0, dot);
  const std::string_view part = number.substr(std::min(dot + 1, number.size()));
  const bool good = unit != units.end() && !whole_part.empty() && number.find('.', dot + 1) == number.npos &&
                    part.empty() == (dot == number.size()) && part.size() <= 9;
  if (!good) return std::unexpected(Wrong::form);
  const auto whole = text::parse_decimal(whole_part);  // nothing: beyond 64 bits
  if (!whole || *whole > most / unit->factor) return std::unexpected(Wrong::size);
  unsigned __int128 fraction = part.empty() ? 0 : *text::parse_decimal(part);
  fraction *= unit->factor;
  for (size_t i = 0; i < part.size(); ++i) fraction /= 10;
  const uint64_t value = *whole * unit->factor + static_cast<uint64_t>(fraction);
  if (value > most) return std::unexpected(Wrong::size);
  return value;
}

template <size_t N>
std::string shortest(uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& u : units) {
    if (value % u.factor == 0 && value > 0) return fmt::format("{}{}", value / u.factor, u.name);
  }
  return "0";
}

struct Civil {
  int64_t year;
  unsigned month, day;
};
// Days since 1970-01-01 to a date of the Gregorian calendar, and back (Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms").
Civil civil_from_days(int64_t days) noexcept {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto doe = static_cast<unsigned>(days - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1};
}
int64_t days_from_civil(Civil c) noexcept {
  const int64_t y = c.year - (c.month <= 2 ? 1 : 0);
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (c.month > 2 ? c.month - 3 : c.month + 9) + 2) / 5 + c.day - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<int64_t>(doe) - 719468;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const auto value = parse_with_unit(text, duration_units, longest_duration.count());
  if (value) return Duration(static_cast<int64_t>(*value));
  if (value.error() == Wrong::size) return too_large(text, to_string(longest_duration));
  return bad_unit(text, "a duration: a number and one of ns us ms s m h d, such as 250ms, 15m, 90d");
}

Result<Bytes> parse_bytes(std::string_view text) {
  const auto value = parse_with_unit(text, byte_units, Bytes::max);
  if (value) return Bytes{*value};
  if (value.error() == Wrong::size) return too_large(text, to_string(Bytes{Bytes::max}));
  return bad_unit(text, "a size: a number and one of B KiB MiB GiB, such as 256KiB");
}

Result<Rate> parse_rate(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string_view digits = text.substr(0, slash);
  const auto per = parse_with_unit(text.substr(std::min(slash + 1, text.size())), duration_units,
                                   longest_duration.count());
  const bool counted = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  if (!counted || (!per && per.error() == Wrong::form))
    return bad_unit(text, "a rate: so many per so long, such as 100/1m");
  const auto count = text::parse_decimal(digits);
  if (!count || *count > Rate::count_max || !per)
    return too_large(text, fmt::format("{}/{}", Rate::count_max, to_string(longest_duration)));
  if (*count == 0 || *per == 0)
    return bad_unit(text, "a rate: at least 1, in a time that is longer than 0, such as 100/1m");
  return Rate{*count, Duration(static_cast<int64_t>(*per))};
}

std::string to_string(Duration value) {
  return shortest(static_cast<uint64_t>(value.count()), duration_units);
}
std::string to_string(Bytes value) { return shortest(value.count, byte_units); }
std::string to_string(Rate value) { return fmt::format("{}/{}", value.count, to_string(value.per)); }

std::string date_time(Wall t) {
  const int64_t s = unix_seconds(t);
  const int64_t days = s >= 0 ? s / 86400 : (s - 86399) / 86400;
  const int64_t rest = s - days * 86400;
  const Civil c = civil_from_days(days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, rest / 3600,
                     rest / 60 % 60, rest % 60);
}

std::string date_time_ms(Wall t) {
  std::string text = date_time(t);
  const auto ms = std::chrono::floor<milliseconds>(t.time_since_epoch()).count() - unix_seconds(t) * 1000;
  text.pop_back();
  return fmt::format("{}.{:03}Z", text, ms);
}

Result<Wall> parse_date_time(std::string_view text) {
  const auto part = [&](size_t at, size_t size) -> uint64_t {
    return text::parse_decimal(text.substr(at, size)).value_or(9999999);
  };
  const bool shaped = text.size() == 20 && text[4] == '-' && text[7] == '-' && text[10] == 'T' &&
                      text[13] == ':' && text[16] == ':' && text[19] == 'Z';
  if (!shaped) return bad_unit(text, "a time in UTC such as 2026-01-02T03:04:05Z");
  const uint64_t year = part(0, 4), month = part(5, 2), day = part(8, 2), hour = part(11, 2),
                 minute = part(14, 2), second = part(17, 2);
  const Civil civil{static_cast<int64_t>(year), static_cast<unsigned>(month), static_cast<unsigned>(day)};
  const bool in_range = year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 &&
                        minute < 60 && second < 60;
  if (!in_range) return bad_unit(text, "a time in UTC such as 2026-01-02T03:04:05Z");
  const int64_t days = days_from_civil(civil);
  const Civil back = civil_from_days(days);  // the 31st of February is none
  if (back.month != civil.month || back.day != civil.day) return bad_unit(text, "a day of the calendar");
  const seconds since(days * 86400 + static_cast<int64_t>(hour * 3600 + minute * 60 + second));
  constexpr auto last = std::chrono::floor<seconds>(Wall::max().time_since_epoch());  // in 2262
  if (since > last || since < -last) return bad_unit(text, "a time from 1678 to 2262");
  return Wall(since);
}

}  // namespace sallyport
