#include "gateway/async/loop.h"

#include <uv.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "gateway/async/timer.h"

namespace sallyport {
namespace {

constexpr uint64_t jump_look_ms = 5;  // how often a clock that tests move is looked at
constexpr uint64_t wait_max_ms = 3'600'000;
constexpr int turn_end_rounds =
    8;  // work of the turn's end that makes more of it waits for the next turn after that

}  // namespace

struct Loop::Impl {
  uv_loop_t loop;
  uv_timer_t alarm;     // rings when the earliest Timer is due
  uv_prepare_t before;  // runs just before the loop waits
  uv_check_t after;     // runs just after it has waited
  uv_async_t call;      // other threads have posted
  Monotonic alarm_at = Monotonic::max();

  Monotonic now{};
  Wall wall{};
  bool now_known = false;
  bool wall_known = false;

  BlockPool blocks;  // before all that gives blocks back
  TimerQueue timers;
  List<TurnEnd> turn_ends;

  std::mutex mutex;
  std::vector<std::move_only_function<void()>> posted;
  bool ended = false;

  void forget_time() noexcept { now_known = wall_known = false; }
  void run_timers();
  void run_posted();
  void run_turn_ends();
  void set_alarm();
};

void Loop::Impl::run_timers() {
  if (timers.next() == Monotonic::max()) return;
  if (clock_can_jump()) forget_time();
  if (!now_known) {
    now = MonotonicClock::now();
    now_known = true;
  }
  timers.run(now);
}

void Loop::Impl::run_posted() {
  std::vector<std::move_only_function<void()>> work;
  {
    std::lock_guard lock(mutex);
    work.swap(posted);
  }
  for (auto& call_one : work) call_one();
}

void Loop::Impl::run_turn_ends() {
  for (int round = 0; round < turn_end_rounds && !turn_ends.empty(); ++round) {
    List<TurnEnd> now_due;
    while (TurnEnd* what = turn_ends.pop_front()) now_due.push_back(*what);
    while (TurnEnd* what = now_due.pop_front()) what->at_turn_end();
  }
}

// Asks libuv to wake us for the earliest timer; nothing to do as long as that stays the same, or moves to
// later.
void Loop::Impl::set_alarm() {
  if (!turn_ends.empty()) {
    alarm_at = Monotonic::min();
    uv_timer_start(&alarm, [](uv_timer_t*) {}, 0, 0);
    return;
  }
  const Monotonic next = timers.next();
  if (next == Monotonic::max()) {
    if (alarm_at != Monotonic::max()) uv_timer_stop(&alarm);
    alarm_at = Monotonic::max();
    return;
  }
  if (!clock_can_jump() && alarm_at <= next && uv_is_active(reinterpret_cast<uv_handle_t*>(&alarm))) return;
  const Monotonic at = MonotonicClock::now();
  const Duration left = next > at ? next - at : Duration::zero();
  uint64_t wait_ms = static_cast<uint64_t>((left.count() + 999'999) / 1'000'000);
  wait_ms = std::min(wait_ms, clock_can_jump() ? jump_look_ms : wait_max_ms);
  alarm_at = next;
  uv_update_time(&loop);
  uv_timer_start(&alarm, [](uv_timer_t*) {}, wait_ms, 0);
}

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  Impl& i = *impl_;
  uv_loop_init(&i.loop);
  i.loop.data = &i;
  uv_timer_init(&i.loop, &i.alarm);
  uv_prepare_init(&i.loop, &i.before);
  uv_check_init(&i.loop, &i.after);
  uv_async_init(&i.loop, &i.call,
                [](uv_async_t* call) { static_cast<Impl*>(call->loop->data)->run_posted(); });
  uv_prepare_start(&i.before, [](uv_prepare_t* before) {
    auto& me = *static_cast<Impl*>(before->loop->data);
    me.run_timers();
    me.run_turn_ends();
    me.set_alarm();
    me.forget_time();
  });
  uv_check_start(&i.after, [](uv_check_t* after) { static_cast<Impl*>(after->loop->data)->forget_time(); });
}

Loop::~Loop() {
  Impl& i = *impl_;
  {
    std::lock_guard lock(i.mutex);
    i.ended = true;
  }
  i.posted.clear();
  const std::array<uv_handle_t*, 4> own = {
      reinterpret_cast<uv_handle_t*>(&i.alarm), reinterpret_cast<uv_handle_t*>(&i.before),
      reinterpret_cast<uv_handle_t*>(&i.after), reinterpret_cast<uv_handle_t*>(&i.call)};
  for (uv_handle_t* handle : own) uv_close(handle, nullptr);
  uv_run(&i.loop, UV_RUN_DEFAULT);
  uv_loop_close(&i.loop);
}

void Loop::run() { uv_run(&impl_->loop, UV_RUN_DEFAULT); }
void Loop::stop() { uv_stop(&impl_->loop); }
void Loop::run_posted() { impl_->run_posted(); }

void Loop::post(std::move_only_function<void()> work) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->ended) return;
    impl_->posted.push_back(std::move(work));
    uv_async_send(&impl_->call);  // under the lock: ~Loop waits for us before it closes the handle
  }
}

Monotonic Loop::now() noexcept {
  if (!impl_->now_known) {
    impl_->now = MonotonicClock::now();
    impl_->now_known = true;
  }
  return impl_->now;
}

Wall Loop::wall() noexcept {
  if (!impl_->wall_known) {
    impl_->wall = wall_now();
    impl_->wall_known = true;
  }
  return impl_->wall;
}

void Loop::before_wait(TurnEnd& what) noexcept {
  if (!what.linked()) impl_->turn_ends.push_back(what);
}

BlockPool& Loop::blocks() noexcept { return impl_->blocks; }
TimerQueue& Loop::timers() noexcept { return impl_->timers; }
uv_loop_s* Loop::raw() noexcept { return &impl_->loop; }

}  // namespace sallyport
