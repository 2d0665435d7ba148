// Loop: posting from other threads, the end of a turn, the clock, and its own end.
#include "gateway/async/loop.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gateway/async/timer.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;

TEST_CASE("posted work runs on the loop's thread, in order, whichever thread posts") {
  Loop loop;
  const std::thread::id own = std::this_thread::get_id();
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) {
      loop.post([&, i] {
        CHECK(std::this_thread::get_id() == own);
        seen.push_back(i);
        if (i == 99) loop.stop();
      });
    }
  });
  loop.run();
  other.join();
  REQUIRE(seen.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(seen[static_cast<size_t>(i)] == i);
}

TEST_CASE("work that is posted and never run is destroyed with the loop") {
  auto held = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([held] { FAIL("the loop never ran"); });
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("work that posts more work does not starve anything: the loop stops in between") {
  Loop loop;
  int rounds = 0;
  std::move_only_function<void()> again = [&] {
    if (++rounds == 10) return loop.stop();
    loop.post([&] { again(); });
  };
  loop.post([&] { again(); });
  loop.run();
  CHECK(rounds == 10);
}

namespace {
struct Counted final : TurnEnd {
  Counted(Loop& l, int rounds) : loop(l), left(rounds) {}
  void at_turn_end() override {
    ++ran;
    if (--left > 0) loop.before_wait(*this);
    if (left == 0) loop.stop();
  }
  Loop& loop;
  int left;
  int ran = 0;
};
}  // namespace

TEST_CASE("the end of a turn: twice asked is once done, asked in it is done again, however often") {
  Loop loop;
  Counted once(loop, 1);
  loop.before_wait(once);
  loop.before_wait(once);
  loop.run();
  CHECK(once.ran == 1);
  Counted often(loop, 1000);  // far more than one turn does
  loop.before_wait(often);
  loop.run();
  CHECK(often.ran == 1000);
}

TEST_CASE("what dies before the end of the turn is not called") {
  Loop loop;
  auto dead = std::make_unique<Counted>(loop, 1);
  Counted alive(loop, 1);
  loop.before_wait(*dead);
  loop.before_wait(alive);
  dead.reset();
  loop.run();
  CHECK(alive.ran == 1);
}

TEST_CASE("the time stands still within a turn and moves on with the next") {
  Loop loop;
  Monotonic first, second, later;
  Wall wall_first, wall_later;
  loop.post([&] {
    first = loop.now();
    wall_first = loop.wall();
    test::advance(1h);
    second = loop.now();
    loop.post([&] {
      later = loop.now();
      wall_later = loop.wall();
      loop.stop();
    });
  });
  loop.run();
  CHECK(first == second);
  CHECK(later >= first + 1h);
  CHECK(wall_later >= wall_first + 1h);
}

namespace {
struct Stopper {
  explicit Stopper(Loop& l) : loop(l), timer(l, &Stopper::fire, this) {}
  static void fire(void* self) {
    auto* me = static_cast<Stopper*>(self);
    me->fired = true;
    me->loop.stop();
  }
  Loop& loop;
  bool fired = false;
  Timer timer;
};
}  // namespace

TEST_CASE("a clock that is moved while the loop waits fires the timers that are due") {
  Loop loop;
  Stopper stopper(loop);
  stopper.timer.arm_after(24h);
  std::thread mover([] { test::advance(25h); });
  loop.run();
  mover.join();
  CHECK(stopper.fired);
}

TEST_CASE("a timer that is armed as a turn ends still wakes the loop") {
  Loop loop;
  Stopper stopper(loop);
  struct Arming final : TurnEnd {
    explicit Arming(Timer& t) : timer(t) {}
    void at_turn_end() override { timer.arm(Monotonic::min()); }
    Timer& timer;
  } arming(stopper.timer);
  loop.before_wait(arming);
  loop.run();
  CHECK(stopper.fired);
}
