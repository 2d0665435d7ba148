// Timers: deadlines that cost next to nothing to move.
//
// A request arms and disarms several deadlines that hardly ever fire. Moving one later, or disarming it, is a
// store: its entry in the heap stays and is put right when it comes up. One worker's thread.
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/task.h"
#include "gateway/base/clock.h"

namespace sallyport {

class Timer {
 public:
  using Fire = void (*)(void* context);
  // `fire(context)` is called on the loop's thread; it may destroy the Timer.
  Timer(Loop& loop, Fire fire, void* context) noexcept;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  void arm(Monotonic when);
  void arm_after(Duration delay);
  void disarm() noexcept { when_ = Monotonic::max(); }
  bool armed() const noexcept { return when_ != Monotonic::max(); }

 private:
  friend class TimerQueue;
  static constexpr size_t nowhere = static_cast<size_t>(-1);

  TimerQueue& queue_;
  Loop& loop_;
  Fire fire_;
  void* context_;
  Monotonic when_ = Monotonic::max();
  size_t index_ = nowhere;  // in the heap
};

class TimerQueue {
 public:
  // Fires all that is due at `now`.
  void run(Monotonic now);
  // When run() should next be called, or Monotonic::max().
  Monotonic next() const noexcept { return heap_.empty() ? Monotonic::max() : heap_.front().when; }
  size_t size() const noexcept { return heap_.size(); }

 private:
  friend class Timer;
  struct Entry {
    Monotonic when;  // never later than the timer's own when_, unless that was disarmed
    Timer* timer;
  };
  void insert(Timer& timer);
  void remove(Timer& timer) noexcept;
  void earlier(Timer& timer) noexcept;
  void place(size_t index, Entry entry) noexcept;
  void sift_up(size_t index) noexcept;
  void sift_down(size_t index) noexcept;

  std::vector<Entry> heap_;
};

// co_await sleep(loop, duration)
class Sleep {
 public:
  Sleep(Loop& loop, Duration delay) noexcept : timer_(loop, &Sleep::fire, this), delay_(delay) {}
  bool await_ready() const noexcept { return delay_ <= Duration::zero(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    timer_.arm_after(delay_);
  }
  void await_resume() const noexcept {}

 private:
  static void fire(void* self) { static_cast<Sleep*>(self)->waiting_.resume(); }
  Timer timer_;
  Duration delay_;
  std::coroutine_handle<> waiting_;
};
inline Sleep sleep(Loop& loop, Duration delay) noexcept { return {loop, delay}; }

}  // namespace sallyport
