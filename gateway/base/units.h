// Units: durations, sizes and rates as the config writes them: 250ms, 256KiB, 100/1m. Any thread.
//
// None of them is larger than the limits here, so that what is made of one (a point in time, twice as much,
// the same in a smaller unit) never overflows, and nobody has to look again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"

namespace sallyport {

constexpr Duration longest_duration = std::chrono::hours(24 * 36'500);  // a hundred years

// A number of bytes.
struct Bytes {
  static constexpr uint64_t max = 1ULL << 50;  // 1024 TiB
  uint64_t count = 0;
  bool operator==(const Bytes&) const = default;
};

// So many per so long: 100/1m.
struct Rate {
  static constexpr uint64_t count_max = 1'000'000'000'000;
  uint64_t count = 0;
  Duration per{};
  bool operator==(const Rate&) const = default;
};

// ns us ms s m h d; one number and one unit ("90d", "1.5s"); "0" needs none. Errors carry a detail that names
// the units.
Result<Duration> parse_duration(std::string_view text);
// B KiB MiB GiB; a bare number is refused, but for 0.
Result<Bytes> parse_bytes(std::string_view text);
Result<Rate> parse_rate(std::string_view text);

// The shortest form that reads back the same.
std::string to_string(Duration value);
std::string to_string(Bytes value);
std::string to_string(Rate value);

// RFC 3339 in UTC: date_time gives seconds ("2026-01-02T03:04:05Z"), date_time_ms three more digits.
std::string date_time(Wall t);
std::string date_time_ms(Wall t);
Result<Wall> parse_date_time(std::string_view text);

}  // namespace sallyport
