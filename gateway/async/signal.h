// Event and WaitUntil: how tasks of one worker wait for each other. One thread; no locks.
#pragma once

#include <coroutine>
#include <cstddef>
#include <utility>

#include "gateway/async/timer.h"
#include "gateway/base/list.h"

namespace sallyport {

// Set or not set. set() resumes all that wait, in order, before it returns.
class Event {
 public:
  explicit Event(bool set = false) noexcept : set_(set) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  bool is_set() const noexcept { return set_; }
  void reset() noexcept { set_ = false; }
  void set() {
    set_ = true;
    wake();
  }
  // Resumes those that wait now without staying set.
  void wake() {
    List<Wait> now;
    while (Wait* waiting = waiting_.pop_front()) now.push_back(*waiting);
    while (Wait* waiting = now.pop_front()) waiting->handle_.resume();  // may destroy this Event
  }

  class Wait : public ListNode {
   public:
    explicit Wait(Event& event) noexcept : event_(event) {}
    bool await_ready() const noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      handle_ = handle;
      event_.waiting_.push_back(*this);
    }
    void await_resume() const noexcept {}

   private:
    friend class Event;
    Event& event_;
    std::coroutine_handle<> handle_;
  };
  Wait wait() noexcept { return Wait(*this); }

 private:
  List<Wait> waiting_;
  bool set_;
};

// Waits for an event or for a point in time, whichever comes first: true if it was the event.
class WaitUntil : public ListNode {
 public:
  WaitUntil(Loop& loop, Monotonic deadline) noexcept
      : timer_(loop, &WaitUntil::late, this), deadline_(deadline) {}
  // Resumes the waiter with true. Does nothing if none waits.
  void notify() {
    happened_ = true;
    timer_.disarm();
    if (handle_) std::exchange(handle_, nullptr).resume();
  }
  bool waiting() const noexcept { return handle_ != nullptr; }

  bool await_ready() const noexcept { return happened_; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    timer_.arm(deadline_);
  }
  bool await_resume() const noexcept { return happened_; }

 private:
  static void late(void* self) {
    auto* me = static_cast<WaitUntil*>(self);
    if (me->handle_) std::exchange(me->handle_, nullptr).resume();
  }
  Timer timer_;
  Monotonic deadline_;
  std::coroutine_handle<> handle_ = nullptr;
  bool happened_ = false;
};

// Where others find whoever waits, to tell it. Empty again once the wait is over, also if it is cancelled.
class WaitSlot {
 public:
  WaitSlot(WaitUntil*& slot, WaitUntil& waits) noexcept : slot_(slot) { slot_ = &waits; }
  WaitSlot(const WaitSlot&) = delete;
  ~WaitSlot() { slot_ = nullptr; }

 private:
  WaitUntil*& slot_;
};

}  // namespace sallyport
