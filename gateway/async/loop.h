// Loop: one thread's event loop (libuv), its clock, its memory and its timers.
//
// Made, run and destroyed on one thread; only post() may be called from others.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "gateway/base/bytes.h"
#include "gateway/base/clock.h"
#include "gateway/base/list.h"

struct uv_loop_s;

namespace sallyport {

class TimerQueue;

// Something to run once before the loop next waits: for what is worth doing once a turn, such as one write
// for all the commands of the turn. Leaves the loop's list when it dies.
class TurnEnd : public ListNode {
 public:
  virtual void at_turn_end() = 0;

 protected:
  ~TurnEnd() = default;
};

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();  // every handle made on the loop must be closing by now; waits for their close callbacks

  void run();   // until stop()
  void stop();  // own thread only; from others: post([&] { loop.stop(); })

  // Runs now what others have posted; for after run() has ended and they have, too.
  void run_posted();
  // Runs `work` on the loop's thread at its next turn. Any thread. Work posted after the loop has ended is
  // dropped.
  void post(std::move_only_function<void()> work);

  // The time at the start of this turn of the loop (read at most once a turn).
  Monotonic now() noexcept;
  Wall wall() noexcept;

  void before_wait(TurnEnd& what) noexcept;  // schedules what.at_turn_end(); twice is once

  BlockPool& blocks() noexcept;
  TimerQueue& timers() noexcept;
  uv_loop_s* raw() noexcept;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport
