// Meter: how much work a stranger's bytes may still buy: so many steps for each of them. A step is about a
// constant number of instructions. Once it has run out it stays so, and whoever began the work refuses: the
// end of a meter is never a pass.
//
// Owned by one piece of work; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport {

class Meter {
 public:
  explicit constexpr Meter(uint64_t steps) noexcept : left_(steps) {}
  // Sixteen steps a byte, and as many for a thousand more: ordinary work takes about one.
  static constexpr Meter of_bytes(size_t bytes) noexcept { return Meter(16 * (uint64_t{bytes} + 1000)); }

  // False once there are not so many left.
  bool spend(uint64_t steps = 1) noexcept {
    if (steps > left_) exhaust();
    left_ -= exhausted_ ? 0 : steps;
    return !exhausted_;
  }
  void exhaust() noexcept {
    exhausted_ = true;
    left_ = 0;
  }
  bool exhausted() const noexcept { return exhausted_; }
  uint64_t left() const noexcept { return left_; }

 private:
  uint64_t left_;
  bool exhausted_ = false;
};

}  // namespace sallyport
