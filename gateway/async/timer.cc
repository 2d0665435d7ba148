#include "gateway/async/timer.h"

#include <utility>

namespace sallyport {

Timer::Timer(Loop& loop, Fire fire, void* context) noexcept
    : queue_(loop.timers()), loop_(loop), fire_(fire), context_(context) {}

Timer::~Timer() {
  if (index_ != nowhere) queue_.remove(*this);
}

void Timer::arm(Monotonic when) {
  when_ = when;
  if (when == Monotonic::max()) return;
  if (index_ == nowhere) {
    queue_.insert(*this);
  } else {
    queue_.earlier(*this);  // a later time needs nothing now: the entry is put right when it comes up
  }
}

void Timer::arm_after(Duration delay) { arm(loop_.now() + delay); }

void TimerQueue::place(size_t index, Entry entry) noexcept {
  heap_[index] = entry;
  entry.timer->index_ = index;
}

void TimerQueue::sift_up(size_t index) noexcept {
  const Entry entry = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent].when <= entry.when) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerQueue::sift_down(size_t index) noexcept {
  const Entry entry = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when) ++child;
    if (entry.when <= heap_[child].when) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

void TimerQueue::insert(Timer& timer) {
  heap_.push_back({timer.when_, &timer});
  timer.index_ = heap_.size() - 1;
  sift_up(timer.index_);
}

void TimerQueue::earlier(Timer& timer) noexcept {
  Entry& entry = heap_[timer.index_];
  if (timer.when_ >= entry.when) return;
  entry.when = timer.when_;
  sift_up(timer.index_);
}

void TimerQueue::remove(Timer& timer) noexcept {
  const size_t index = std::exchange(timer.index_, Timer::nowhere);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (last.timer == &timer) return;
  place(index, last);
  sift_up(index);
  sift_down(last.timer->index_);
}

void TimerQueue::run(Monotonic now) {
  // No more than there are now: one that always arms itself anew for at once must not hold up the loop.
  size_t most = heap_.size();
  while (most > 0 && !heap_.empty() && heap_.front().when <= now) {
    Timer& timer = *heap_.front().timer;
    if (timer.when_ == Monotonic::max()) {  // disarmed meanwhile
      remove(timer);
    } else if (timer.when_ > heap_.front().when) {  // moved to later meanwhile
      heap_.front().when = timer.when_;
      sift_down(0);
    } else {
      --most;
      remove(timer);
      timer.when_ = Monotonic::max();
      timer.fire_(timer.context_);  // may destroy the timer, and arm others
    }
  }
}

}  // namespace sallyport
