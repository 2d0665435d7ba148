#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "plugins/limit/gcra.h"
#include "plugins/limit/leases.h"
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

TEST_CASE("a lease: for who asks often, spent one by one, for its time only") {
  const Monotonic start{std::chrono::hours(1)};
  Lease lease;
  CHECK_FALSE(lease.spend(start));
  for (uint32_t i = 1; i < Lease::asks_first; ++i) CHECK_FALSE(lease.asked(start));
  CHECK_FALSE(lease.asked(start + Lease::life));  // counted anew in each second
  for (uint32_t i = 2; i < Lease::asks_first; ++i) CHECK_FALSE(lease.asked(start + Lease::life));
  CHECK(lease.asked(start + Lease::life));
  CHECK(lease.next_size(start, 100) == Lease::asks_first);
  CHECK(lease.next_size(start, 2) == 2);
  lease.granted(4, 4000, start);
  for (int i = 0; i < 2; ++i) CHECK(lease.spend(start));
  CHECK_FALSE(lease.wants_more(start));
  CHECK(lease.spend(start));
  CHECK(lease.wants_more(start));
  CHECK(lease.ahead_now(1000, start) == 3000);
  CHECK(lease.ahead_now(1000, start + milliseconds(2)) == 1000);
  CHECK(lease.spend(start));
  CHECK_FALSE(lease.spend(start));
}

TEST_CASE("a lease grows with the pace of its caller, shrinks, and ends") {
  Monotonic now{std::chrono::hours(1)};
  Lease lease;
  lease.granted(4, 0, now);
  CHECK(lease.next_size(now + milliseconds(10), 1000) == 8);
  CHECK(lease.next_size(now + milliseconds(10), 6) == 6);
  CHECK(lease.next_size(now + milliseconds(900), 1000) == 4);
  lease.granted(28, 0, now);
  CHECK(lease.hand_in(now) == 0);  // its time is not over
  now += Lease::life;
  CHECK_FALSE(lease.spend(now));
  CHECK(lease.wants_more(now));
  CHECK(lease.next_size(now, 1000) == 16);
  CHECK(lease.hand_in(now) == 32);
  CHECK(lease.left == 0);
  lease.granted(0, 0, now);  // nothing was there to be had
  CHECK(lease.size == 0);
  CHECK_FALSE(lease.wants_more(now + Lease::life));
  lease.granted(6, 0, now);
  CHECK(lease.next_size(now + Lease::life, 1000) == 0);
}

TEST_CASE("leases are bounded: who only counts gives way to who holds one") {
  Leases leases(4);  // one row
  const Monotonic now{std::chrono::hours(1)};
  for (const char* name : {"a", "b", "c", "d"}) leases.at(leases.key_of(name)).granted(8, 0, now);
  leases.at(leases.key_of("c")) = {.key = leases.key_of("c"), .until = now + Lease::life};
  leases.at(leases.key_of("e")).asked(now);
  CHECK(leases.find(leases.key_of("c")) == nullptr);
  for (const char* name : {"a", "b", "d"}) CHECK(leases.find(leases.key_of(name))->left == 8);
  leases.at(leases.key_of("f")).asked(now);
  CHECK(leases.find(leases.key_of("e")) == nullptr);
}
