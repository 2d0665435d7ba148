// Task, Nursery, Event and WaitUntil: who is resumed when, and what cancelling leaves behind.
#include "gateway/async/task.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/async/nursery.h"
#include "gateway/async/signal.h"
#include "gateway/async/timer.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

// Counts how many of its kind are alive.
struct Alive {
  explicit Alive(int& c) : count(c) { ++count; }
  Alive(const Alive&) = delete;
  ~Alive() { --count; }
  int& count;
};

Task<int> number(int n) { co_return n; }

Task<int> number_after(Event& event, int& alive, int n) {
  Alive here(alive);
  co_await event.wait();
  co_return n;
}

Task<int> sum_after(Event& event, int& alive) {
  Alive here(alive);
  const int one = co_await number_after(event, alive, 1);
  const int two = co_await number(2);
  const int three = co_await Task<int>::ready(3);
  co_return one + two + three;
}

Task<> waits(Event& event, int& alive, std::vector<int>& log, int name) {
  Alive here(alive);
  co_await event.wait();
  log.push_back(name);
}

}  // namespace

TEST_CASE("a task starts at once, and one that need not wait is done") {
  Task<int> task = number(7);
  REQUIRE(task.done());
  CHECK(task.take() == 7);
  Task<std::unique_ptr<int>> moved = Task<std::unique_ptr<int>>::ready(std::make_unique<int>(3));
  REQUIRE(moved.done());
  CHECK(*moved.take() == 3);
  CHECK(Task<>::ready().done());
}

TEST_CASE("a task goes on when what it waits for has happened, through all that await it") {
  Event event;
  int alive = 0;
  Task<int> task = sum_after(event, alive);
  CHECK_FALSE(task.done());
  CHECK(alive == 2);
  event.set();
  REQUIRE(task.done());
  CHECK(task.take() == 6);
  CHECK(alive == 0);
}

TEST_CASE("destroying a task cancels it and all it waits for") {
  Event event;
  int alive = 0;
  {
    Task<int> task = sum_after(event, alive);
    Task<int> moved = std::move(task);
    CHECK(alive == 2);
    moved = sum_after(event, alive);
    CHECK(alive == 2);  // the one before is gone
  }
  CHECK(alive == 0);
  event.set();  // nobody is there any more
}

TEST_CASE("an event resumes in order; one that is set lets everybody pass until it is reset") {
  Event event;
  int alive = 0;
  std::vector<int> log;
  Task<> a = waits(event, alive, log, 1), b = waits(event, alive, log, 2), c = waits(event, alive, log, 3);
  b = Task<>::ready();
  event.wake();
  CHECK(log == std::vector<int>{1, 3});
  CHECK_FALSE(event.is_set());
  Task<> d = waits(event, alive, log, 4);
  CHECK_FALSE(d.done());
  event.set();
  CHECK(waits(event, alive, log, 5).done());
  event.reset();
  Task<> e = waits(event, alive, log, 6);
  CHECK(log == std::vector<int>{1, 3, 4, 5});
}

namespace {
Task<> destroys(Event& event, std::unique_ptr<Event>& victim, Task<>& other) {
  co_await event.wait();
  other = Task<>::ready();
  victim.reset();
}
}  // namespace

TEST_CASE("who is resumed first may cancel the next and destroy the event") {
  auto event = std::make_unique<Event>();
  Event& it = *event;
  int alive = 0;
  std::vector<int> log;
  Task<> second = Task<>::ready();
  Task<> first = destroys(it, event, second);
  second = waits(it, alive, log, 2);
  it.set();
  CHECK(first.done());
  CHECK(event == nullptr);
  CHECK(alive == 0);
  CHECK(log.empty());
}

namespace {
Task<> wait_empty(Nursery& nursery, int& alive, int& seen) {
  co_await nursery.empty();
  seen = alive;
}
// What it keeps is a parameter: that lives until the frame goes, after the last line of the body.
Task<> keeps(std::unique_ptr<Alive>, Event& event) { co_await event.wait(); }
}  // namespace

TEST_CASE("a nursery owns its tasks until they end") {
  Event first, second;
  int alive = 0;
  std::vector<int> log;
  Nursery nursery;
  nursery.start(Task<>::ready());
  CHECK(nursery.size() == 0);
  nursery.start(waits(first, alive, log, 1));
  nursery.start(waits(second, alive, log, 2));
  CHECK(nursery.size() == 2);
  first.set();
  CHECK(nursery.size() == 1);
  CHECK(alive == 1);
  nursery.cancel_all();
  CHECK(nursery.size() == 0);
  CHECK(alive == 0);
  CHECK(log == std::vector<int>{1});
}

TEST_CASE("destroying a nursery cancels its tasks") {
  Event event;
  int alive = 0;
  std::vector<int> log;
  {
    Nursery nursery;
    for (int i = 0; i < 10; ++i) nursery.start(waits(event, alive, log, i));
    CHECK(alive == 10);
  }
  CHECK(alive == 0);
}

TEST_CASE("who waits for an empty nursery finds the tasks gone, with all they owned") {
  for (const bool cancelled : {false, true}) {
    CAPTURE(cancelled);
    Event event;
    int alive = 0, seen = -1;
    Nursery nursery;
    nursery.start(keeps(std::make_unique<Alive>(alive), event));
    Task<> waiter = wait_empty(nursery, alive, seen);
    CHECK_FALSE(waiter.done());
    CHECK(alive == 1);
    if (cancelled)
      nursery.cancel_all();
    else
      event.set();
    CHECK(waiter.done());
    CHECK(seen == 0);
  }
}

namespace {
Task<bool> wait_for(WaitUntil& what) { co_return co_await what; }
}  // namespace

TEST_CASE("WaitUntil: the event or the time, whichever comes first") {
  Loop loop;
  WaitUntil in_time(loop, MonotonicClock::now() + 1h);
  Task<bool> first = wait_for(in_time);
  CHECK(in_time.waiting());
  in_time.notify();
  REQUIRE(first.done());
  CHECK(first.take());

  WaitUntil late(loop, MonotonicClock::now() + 1h);
  Task<bool> second = wait_for(late);
  test::advance(2h);
  CHECK_FALSE(test::finish(loop, std::move(second)));
  CHECK_FALSE(late.waiting());
  late.notify();  // nobody waits any more

  WaitUntil before(loop, MonotonicClock::now() + 1h);
  before.notify();
  CHECK(wait_for(before).done());

  WaitUntil cancelled(loop, MonotonicClock::now());
  {
    Task<bool> third = wait_for(cancelled);
  }
}
