#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "plugins/limit/gcra.h"
#include "plugins/limit/table.h"

using namespace sallyport;

TEST_CASE("GCRA: a burst at once, then the steady pace, and a refusal takes nothing") {
  const Gcra rule{10, 30};  // one each 10, three at once
  int64_t tat = 0;
  for (int i = 0; i < 3; ++i) {
    CHECK(rule.allows(tat, 1000));
    tat = rule.after(tat, 1000);
  }
  CHECK(tat == 1030);
  CHECK_FALSE(rule.allows(tat, 1000));
  CHECK(rule.wait(tat, 1000) == 10);
  CHECK_FALSE(rule.allows(tat, 1009));
  CHECK(rule.allows(tat, 1010));
  CHECK(rule.remaining(tat, 1010) == 1);
  CHECK(rule.remaining(0, 1010) == 3);
}

TEST_CASE("the table never lets more through than the rule, from any number of threads") {
  LimitTable table(1024);
  const Gcra rule{1'000'000, 100 * 1'000'000};
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) passed += table.take(table.hash("one"), rule, 5).allowed ? 1 : 0;
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(passed == 100);
}

TEST_CASE("a full row gives up the bucket that is the nearest to being full") {
  LimitTable table(8);  // one row
  const Gcra rule{10, 1000};
  for (int key = 0; key < 8; ++key) {
    for (int i = 0; i <= key; ++i) table.take(table.hash(std::to_string(key)), rule, 1000);
  }
  table.take(table.hash("new"), rule, 1000);
  CHECK(table.look(table.hash("0")) == 0);
  CHECK(table.look(table.hash("7")) == 1080);
}
