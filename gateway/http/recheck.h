// Recheck: whether what lets an exchange go on still holds, asked about once a second while it lasts.
//
// One worker's thread.
#pragma once

#include "gateway/base/clock.h"

namespace sallyport::http {

class Recheck {
 public:
  Recheck() = default;
  explicit Recheck(Monotonic now) noexcept : next_(now + every) {}
  // When it is worth asking again.
  Monotonic next() const noexcept { return next_; }
  // holds: asked if it is time; after a no, the answer stays.
  template <class F>
  bool passes(Monotonic now, F&& holds) {
    if (!passes_ || now < next_) return passes_;
    next_ = now + every;
    return passes_ = holds();
  }

 private:
  static constexpr Duration every = seconds(1);
  Monotonic next_{};
  bool passes_ = true;
};

}  // namespace sallyport::http
