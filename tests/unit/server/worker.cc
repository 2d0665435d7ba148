#include "gateway/server/worker.h"

#include <doctest/doctest.h>

#include <latch>
#include <thread>

#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

// Moves the clock on until the worker's loop has turned after that moment.
void wait_for_a_turn(const server::Worker& worker, Clock::time_point since) {
  while (worker.stood_still(since) >= 0s) {
    test::advance(server::Worker::beat_every);
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("a worker whose loop stands still is told from one that turns, also where the clock is moved") {
  Cache process;
  server::Worker worker(0, 1, process, nullptr);
  worker.start();
  wait_for_a_turn(worker, Clock::now());
  std::latch stands(1), go_on(1);
  worker.loop().post([&] {
    stands.count_down();
    go_on.wait();
  });
  stands.wait();
  const auto since = Clock::now();
  test::advance(1h);
  CHECK(worker.stood_still(since) < 60s);  // the hour is not held against it
  CHECK(worker.stood_still(since + 7s) >= 7s);
  go_on.count_down();
  wait_for_a_turn(worker, since);
  worker.drain(0s);
  worker.join();
  CHECK(worker.drained());
}
