// Time: a monotonic clock for deadlines and a wall clock for tokens, keys and the log. Any thread.
//
// In a build with tests (SALLYPORT_TEST_CLOCK) both are shifted by a number of nanoseconds that a test writes
// into the file named by the environment variable SALLYPORT_TEST_CLOCK, so that tests move time instead of
// waiting.
#pragma once

#include <chrono>
#include <cstdint>

namespace sallyport {

using Duration = std::chrono::nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};
using Monotonic = MonotonicClock::time_point;

// Nanoseconds since 1970-01-01 UTC.
using Wall = std::chrono::time_point<std::chrono::system_clock, Duration>;
Wall wall_now() noexcept;

inline int64_t unix_seconds(Wall t) { return std::chrono::floor<seconds>(t.time_since_epoch()).count(); }

// True where the clock can be moved by a test: timers then look at it every few milliseconds.
bool clock_can_jump() noexcept;

}  // namespace sallyport
