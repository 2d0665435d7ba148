// GCRA, the generic cell rate algorithm (ITU-T I.371): a token bucket as one point in time.
//
// A bucket is its "theoretical arrival time": when it will be full again. A request moves that by one step;
// it is refused if it would then lie more than `most` ahead. Pure arithmetic in whatever unit the caller
// uses.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sallyport {

struct Gcra {
  int64_t step = 1;  // between two requests at the steady rate
  int64_t most = 1;  // step × burst: how far ahead the bucket may be
  bool operator==(const Gcra&) const = default;

  // One that is further ahead than this rule can make it (it was counted by a slower one) is used up.
  int64_t clamped(int64_t tat, int64_t now) const noexcept { return std::min(tat, now + most); }
  // Where the bucket would be after one more request at `now`.
  int64_t after(int64_t tat, int64_t now) const noexcept { return std::max(tat, now) + step; }
  bool allows(int64_t tat, int64_t now) const noexcept { return after(tat, now) - now <= most; }
  // How many requests may still come at once.
  int64_t remaining(int64_t tat, int64_t now) const noexcept {
    return std::max<int64_t>(most - std::max<int64_t>(tat - now, 0), 0) / step;
  }
  // Until the next request is allowed; 0: it is now.
  int64_t wait(int64_t tat, int64_t now) const noexcept {
    return std::max<int64_t>(after(tat, now) - now - most, 0);
  }
};

}  // namespace sallyport
