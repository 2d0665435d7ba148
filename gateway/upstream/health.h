// Health: whether somebody who has failed is asked before others. One worker's thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gateway/base/clock.h"

namespace sallyport::upstream {

class Health {
 public:
  // He is passed by for a while, where there are others.
  bool is_bad(Monotonic now) const noexcept { return now < bad_until_; }
  bool has_failed() const noexcept { return failures_ > 0; }
  // For a second, doubled with each further failure up to half a minute. What breaks at once is one failure,
  // however many it meets.
  void fail(Monotonic now) noexcept {
    if (is_bad(now)) return;
    const uint32_t doublings = std::min<uint32_t>(failures_++, 5);
    bad_until_ = now + std::min<Duration>(seconds(1) * (1U << doublings), seconds(30));
  }
  void recover() noexcept { *this = {}; }

 private:
  uint32_t failures_ = 0;  // in a row
  Monotonic bad_until_ = Monotonic::min();
};

}  // namespace sallyport::upstream
