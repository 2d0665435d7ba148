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

TEST_CASE("the table never lets a key have two buckets, also where its first row is taken") {
  constexpr int64_t day = 86'400'000'000'000, now = 5 * day;
  constexpr int keys = 400;
  LimitTable table(1024);
  const Gcra once{day, day};
  for (int i = 0; i < 400; ++i) table.take(table.hash("before " + std::to_string(i)), once, now);
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < keys; ++i)
        passed += table.take(table.hash(std::to_string(i)), once, now).allowed ? 1 : 0;
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(passed.load() <= keys);
  CHECK(passed.load() > keys * 9 / 10);  // nearly each of them once
}

TEST_CASE("a place is taken once, however many keys come for the last ones at the same time") {
  constexpr int64_t day = 86'400'000'000'000, now = 5 * day;
  const Gcra once{day, day};
  for (int round = 0; round < 200; ++round) {
    LimitTable table(64);
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i)
          passed += table.take(table.hash(std::to_string(i * 4 + t)), once, now).allowed ? 1 : 0;
      });
    }
    for (std::thread& t : threads) t.join();
    REQUIRE(passed.load() == 64);
  }
}

TEST_CASE("the first key that finds no place comes when most of the table is taken") {
  constexpr int64_t day = 86'400'000'000'000, now = 5 * day;
  const Gcra once{day, day};
  for (const size_t entries : {size_t{1024}, size_t{16384}, size_t{131072}}) {
    LimitTable table(entries);
    size_t taken = 0;
    while (table.take(table.hash(std::to_string(taken)), once, now).allowed) ++taken;
    CAPTURE(entries);
    CAPTURE(taken);
    CHECK(taken > entries * 3 / 4);
    for (size_t i = 0; i < taken; ++i)
      REQUIRE_FALSE(table.take(table.hash(std::to_string(i)), once, now).allowed);
  }
}

TEST_CASE("a full row gives up the bucket that is used least, and who comes new begins with as much used") {
  LimitTable table(8);  // one row
  const Gcra rule{10, 1000};
  for (int key = 0; key < 8; ++key) {
    for (int i = 0; i <= key; ++i) table.take(table.hash(std::to_string(key)), rule, 1000);
  }
  table.take(table.hash("new"), rule, 1000);
  CHECK(table.look(table.hash("0")) == 0);
  CHECK(table.look(table.hash("1")) == 1020);
  CHECK(table.look(table.hash("7")) == 1080);
  CHECK(table.look(table.hash("new")) == 1020);  // what was pushed out had taken one
}

TEST_CASE("who is pushed out and comes back gains nothing, not even a part of a request") {
  constexpr int64_t s = 1'000'000'000;
  LimitTable table(8);  // one row
  const Gcra rule{3600 * s, 7200 * s};
  int64_t now = 1'000'000 * s;
  int passed = 0;
  for (int i = 0; i < 90; ++i) {
    now += s / 1000;
    passed += table.take(table.hash(std::to_string(i % 9)), rule, now).allowed ? 1 : 0;
  }
  CHECK(passed == 16);  // two for each place
}

TEST_CASE("keys that a caller invents do not give it back what it has used up") {
  constexpr int64_t s = 1'000'000'000, now = 1'000'000 * s;
  const auto left_after_flood = [&](const Gcra& rule, int used) {
    LimitTable table(131072);
    const uint64_t caller = table.hash("10.0.0.1");
    for (int i = 0; i < used; ++i) CHECK(table.take(caller, rule, now).allowed);
    int passed = 0;
    for (int i = 0; i < 300'000; ++i) table.take(table.hash("another " + std::to_string(i)), rule, now);
    while (table.take(caller, rule, now).allowed) ++passed;
    return passed;
  };
  const Gcra often{86'400 * s / 1000, 86'400 * s}, few{12 * s, 60 * s}, once{86'400 * s, 86'400 * s};
  CHECK(left_after_flood(often, 1000) == 0);
  CHECK(left_after_flood(few, 5) == 0);
  CHECK(left_after_flood(few, 4) <= 1);
  CHECK(left_after_flood(once, 1) == 0);
}

TEST_CASE("where every bucket of a row refuses, a new key is refused, until one may go on") {
  LimitTable table(8);
  const Gcra rule{10, 20};
  for (int key = 0; key < 8; ++key) {
    for (int i = 0; i < 2; ++i) CHECK(table.take(table.hash(std::to_string(key)), rule, 1000).allowed);
  }
  const LimitTable::Taken refused = table.take(table.hash("new"), rule, 1000);
  CHECK_FALSE(refused.allowed);
  CHECK(rule.wait(refused.tat, 1000) == 10);
  for (int key = 0; key < 8; ++key)
    CHECK_FALSE(table.take(table.hash(std::to_string(key)), rule, 1000).allowed);
  CHECK(table.take(table.hash("new"), rule, 1010).allowed);
}

namespace {

constexpr Gcra hourly{3'600'000'000, 1000 * 3'600'000'000LL};  // in microseconds: refills nothing meanwhile
const Monotonic start{std::chrono::hours(1)};

Lease of(uint32_t count, const Gcra& rule = hourly) {
  Lease lease;
  lease.rule = rule;
  lease.granted(count, count * rule.step, start);
  return lease;
}

}  // namespace

TEST_CASE("a bucket of a slower rule than the present one is full at most, and drains from then on") {
  constexpr int64_t day = 86'400'000'000'000, s = 1'000'000'000, now = 5 * day;
  const Gcra slow{day / 2, day}, fast{s / 1000, s};
  LimitTable table(8);
  const uint64_t known = table.hash("known");
  for (int i = 0; i < 2; ++i) CHECK(table.take(known, slow, now).allowed);
  const LimitTable::Taken refused = table.take(known, fast, now);
  CHECK_FALSE(refused.allowed);
  CHECK(refused.tat == now + s);
  CHECK(table.take(known, fast, now + s / 1000).allowed);

  for (int key = 0; key < 8; ++key) {  // a row of those lets nobody in for no longer
    for (int i = 0; i < 2; ++i) table.take(table.hash(std::to_string(key)), slow, now);
  }
  table.take(table.hash("new"), fast, now);
  CHECK(table.take(table.hash("new"), fast, now + s / 1000).allowed);
}

TEST_CASE("a thread whose time lies behind that of another does not give back what the other has counted") {
  static constexpr int64_t ms = 1'000'000, now = 3'600'000 * ms;
  const Gcra rule{10 * ms, 50 * ms};
  LimitTable table(8, []() noexcept { return now; });
  const uint64_t key = table.hash("known");
  for (int i = 0; i < 5; ++i) CHECK(table.take(key, rule, now).allowed);
  for (int behind = 1; behind < 9000; behind += 1000) {
    CHECK_FALSE(table.take(key, rule, now - behind * ms).allowed);
    CHECK(table.look(key) == now + 50 * ms);
    CHECK(rule.remaining(table.look(key), now - behind * ms) == 0);
  }
  CHECK_FALSE(table.take(key, rule, now + 9 * ms).allowed);
  CHECK(table.take(key, rule, now + 10 * ms).allowed);
}

TEST_CASE("a lease is for who asks often") {
  Lease lease;
  CHECK_FALSE(lease.spend(start));
  for (uint32_t i = 1; i < Lease::asks_first; ++i) CHECK_FALSE(lease.asked(start));
  CHECK_FALSE(lease.asked(start + Lease::life));  // counted anew in each second
  for (uint32_t i = 2; i < Lease::asks_first; ++i) CHECK_FALSE(lease.asked(start + Lease::life));
  CHECK(lease.asked(start + Lease::life));
  CHECK(lease.next_size(start, 100) == Lease::asks_first);
  CHECK(lease.next_size(start, 2) == 2);
}

TEST_CASE("a lease is spent one by one, for its time only") {
  Lease lease = of(4);
  for (int i = 0; i < 2; ++i) CHECK(lease.spend(start));
  CHECK_FALSE(lease.wants_more(start));
  CHECK(lease.spend(start));
  CHECK(lease.wants_more(start));
  CHECK(lease.ahead_now(start) == 3 * hourly.step);
  CHECK_FALSE(lease.spend(start + Lease::life));
  CHECK(lease.spend(start));
  CHECK_FALSE(lease.spend(start));
}

TEST_CASE("what the bucket has refilled is not left of a lease: others may have taken it") {
  const Gcra fast{1000, 100'000};  // one each millisecond
  Lease lease = of(10, fast);
  CHECK(lease.good(start + milliseconds(9)));
  CHECK(lease.left == 1);
  CHECK_FALSE(lease.good(start + milliseconds(10)));
  CHECK(lease.ahead_now(start + milliseconds(10)) == 0);
  lease = of(10, fast);
  lease.until = start;
  CHECK(lease.hand_in(start + milliseconds(4)) == 6);
}

TEST_CASE("a lease grows with the pace of its caller, shrinks, and ends") {
  CHECK(of(4).next_size(start + milliseconds(10), 1000) == 8);
  CHECK(of(4).next_size(start + milliseconds(10), 6) == 6);
  CHECK(of(4).next_size(start + milliseconds(900), 1000) == 4);
  Lease lease = of(32);
  CHECK(lease.hand_in(start) == 0);  // its time is not over
  const Monotonic later = start + Lease::life;
  CHECK(lease.wants_more(later));
  CHECK(lease.next_size(later, 1000) == 16);
  CHECK(lease.hand_in(later) == 31);  // the second that has passed counts as a request, to be safe
  CHECK(lease.left == 0);
  lease.granted(0, 0, later);  // nothing was there to be had
  CHECK_FALSE(lease.wants_more(later + Lease::life));
  CHECK(of(6).next_size(later, 1000) == 0);
}

TEST_CASE("leases are bounded, each under its rule; who has none or a stale one gives way") {
  Leases leases(4);  // one row
  const auto key = [&](const char* name) { return leases.key_of(name); };
  for (const char* name : {"a", "b", "c", "d"}) leases.at(key(name), hourly, start).granted(8, 0, start);
  CHECK(leases.find(key("a"), Gcra{1, 2}) == nullptr);
  leases.find(key("c"), hourly)->size = 0;
  leases.at(key("e"), hourly, start).asked(start);
  CHECK(leases.find(key("c"), hourly) == nullptr);
  leases.at(key("f"), hourly, start).asked(start);
  CHECK(leases.find(key("e"), hourly) == nullptr);
  for (const char* name : {"a", "b", "d"}) CHECK(leases.find(key(name), hourly)->left == 8);
  leases.find(key("b"), hourly)->until = start;
  leases.at(key("g"), hourly, start).asked(start);
  CHECK(leases.find(key("f"), hourly) != nullptr);
  CHECK(leases.find(key("b"), hourly) == nullptr);
}
