// Timers: they fire in order, moving one later costs nothing, and each may destroy or arm what it likes.
#include "gateway/async/timer.h"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <vector>

#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

// A timer that writes its number down.
struct Noted {
  Noted(Loop& loop, int name, std::vector<int>& out)
      : number(name), log(out), timer(loop, &Noted::fire, this) {}
  static void fire(void* self) {
    auto* me = static_cast<Noted*>(self);
    me->log.push_back(me->number);
  }
  int number;
  std::vector<int>& log;
  Timer timer;
};

constexpr Monotonic start{Duration(1'000'000)};

}  // namespace

TEST_CASE("timers fire in the order of their times, none before its own") {
  Loop loop;
  std::vector<int> log;
  Noted a(loop, 1, log), b(loop, 2, log), c(loop, 3, log);
  b.timer.arm(start + 2ms);
  c.timer.arm(start + 3ms);
  a.timer.arm(start + 1ms);
  CHECK(loop.timers().next() == start + 1ms);
  loop.timers().run(start);
  CHECK(log.empty());
  loop.timers().run(start + 2ms);
  CHECK(log == std::vector<int>{1, 2});
  CHECK_FALSE(a.timer.armed());
  CHECK(c.timer.armed());
  loop.timers().run(start + 1h);
  CHECK(log == std::vector<int>{1, 2, 3});
  CHECK(loop.timers().size() == 0);
  CHECK(loop.timers().next() == Monotonic::max());
}

TEST_CASE("a timer that was moved later fires then, and once") {
  Loop loop;
  std::vector<int> log;
  Noted a(loop, 1, log);
  a.timer.arm(start + 1ms);
  a.timer.arm(start + 5ms);
  CHECK(loop.timers().next() == start + 1ms);  // the entry is put right only when it comes up
  loop.timers().run(start + 4ms);
  CHECK(log.empty());
  CHECK(loop.timers().next() == start + 5ms);
  loop.timers().run(start + 5ms);
  loop.timers().run(start + 9ms);
  CHECK(log == std::vector<int>{1});
}

TEST_CASE("a timer that was moved earlier fires then") {
  Loop loop;
  std::vector<int> log;
  Noted a(loop, 1, log), b(loop, 2, log);
  a.timer.arm(start + 2ms);
  b.timer.arm(start + 5ms);
  b.timer.arm(start + 1ms);
  loop.timers().run(start + 1ms);
  CHECK(log == std::vector<int>{2});
}

TEST_CASE("a timer that was disarmed does not fire, and may be armed again") {
  Loop loop;
  std::vector<int> log;
  Noted a(loop, 1, log);
  a.timer.arm(start + 1ms);
  a.timer.disarm();
  CHECK_FALSE(a.timer.armed());
  loop.timers().run(start + 2ms);
  CHECK(log.empty());
  CHECK(loop.timers().size() == 0);
  a.timer.arm(start + 3ms);
  a.timer.disarm();
  a.timer.arm(start + 4ms);
  loop.timers().run(start + 3ms);
  CHECK(log.empty());
  loop.timers().run(start + 4ms);
  CHECK(log == std::vector<int>{1});
}

TEST_CASE("a timer that was never armed is not in the queue") {
  Loop loop;
  std::vector<int> log;
  Noted a(loop, 1, log);
  CHECK(loop.timers().size() == 0);
  a.timer.disarm();
  a.timer.arm(Monotonic::max());
  CHECK(loop.timers().size() == 0);
}

TEST_CASE("a timer may destroy itself and others while it fires") {
  Loop loop;
  struct Killer {
    static void fire(void* self) { static_cast<Killer*>(self)->victims.clear(); }
    std::vector<std::unique_ptr<Timer>> victims;
  } killer;
  for (int i = 1; i <= 20; ++i) {
    killer.victims.push_back(std::make_unique<Timer>(loop, &Killer::fire, &killer));
    killer.victims.back()->arm(start + i * 1ms);
  }
  loop.timers().run(start + 1h);
  CHECK(killer.victims.empty());
  CHECK(loop.timers().size() == 0);
}

TEST_CASE("a timer that arms itself for at once does not hold up the loop") {
  Loop loop;
  struct Again {
    explicit Again(Loop& loop) : timer(loop, &Again::fire, this) {}
    static void fire(void* self) {
      auto* me = static_cast<Again*>(self);
      ++me->fired;
      me->timer.arm(start);
    }
    int fired = 0;
    Timer timer;
  } again(loop);
  again.timer.arm(start);
  loop.timers().run(start);
  CHECK(again.fired == 1);
  CHECK(loop.timers().next() == start);
}

TEST_CASE("any sequence of arming, moving, disarming and destroying fires what is due, in order") {
  Loop loop;
  std::mt19937 random(7);
  std::vector<int> log;
  std::vector<std::unique_ptr<Noted>> timers(64);
  std::vector<Monotonic> due(timers.size(), Monotonic::max());
  Monotonic now = start;
  for (int step = 0; step < 20'000; ++step) {
    const size_t i = random() % timers.size();
    const Monotonic when = now + Duration(random() % 1000);
    switch (random() % 6) {
      case 0:
        timers[i].reset();
        due[i] = Monotonic::max();
        break;
      case 1:
        if (timers[i]) timers[i]->timer.disarm();
        due[i] = Monotonic::max();
        break;
      case 2: {
        now += Duration(random() % 200);
        log.clear();
        loop.timers().run(now);
        Monotonic last = Monotonic::min();
        for (int fired : log) {
          const Monotonic time = std::exchange(due[static_cast<size_t>(fired)], Monotonic::max());
          REQUIRE(time <= now);
          REQUIRE(time >= last);
          last = time;
        }
        for (Monotonic left : due) REQUIRE(left > now);
        break;
      }
      default:
        if (!timers[i]) timers[i] = std::make_unique<Noted>(loop, static_cast<int>(i), log);
        timers[i]->timer.arm(when);
        due[i] = when;
    }
  }
}

namespace {
Task<> nap(Loop& loop, Duration time, bool& awake) {
  co_await sleep(loop, time);
  awake = true;
}
}  // namespace

TEST_CASE("sleep waits until the clock says so; cancelling it leaves nothing behind") {
  Loop loop;
  bool awake = false, never = false;
  Task<> sleeper = nap(loop, 1h, awake);
  Task<> other = nap(loop, 2h, never);
  CHECK_FALSE(awake);
  test::advance(1h);
  test::finish(loop, std::move(sleeper));
  CHECK(awake);
  other = Task<>::ready();
  CHECK_FALSE(never);
  CHECK(loop.timers().size() == 0);
  Task<> none = nap(loop, 0s, never);
  CHECK(none.done());
}
