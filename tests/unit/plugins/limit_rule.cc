// What is computed of a rate and a burst, over their extremes: it is right, or the config is refused.
#include "plugins/limit/rule.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "gateway/config/load.h"

using namespace sallyport;

namespace {

struct Read {
  std::optional<LimitRule> rule;
  std::string problems;
};

Read read(const std::string& limit) {
  constexpr std::array<std::string_view, 1> keys = {"limit"};
  config::Loaded loaded = config::load_text(
      "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, plaintext: true }]\n"
      "stores: { redis: { url: \"redis://127.0.0.1\" } }\nlimits: { a: " +
          limit + " }\n",
      "t.yaml", "", keys);
  observe::Metrics metrics;
  Cache process, generation, worker, snapshot;
  Setup setup{*loaded.model, loaded.problems, "", {}, process, generation, worker, snapshot, metrics};
  auto rule = LimitRule::read("a", setup);
  return {std::move(rule), loaded.problems.text()};
}

using Wide = __int128;

// Exactly `burst` requests come at once, now and at the end of times; and the pace is that of the rate.
void check_bucket(const Gcra& bucket, const LimitOptions& o, int64_t unit_ns, int64_t tolerance) {
  const Wide per = o.rate.per.count(),
             told = Wide{bucket.step} * unit_ns * static_cast<int64_t>(o.rate.count);
  CHECK(bucket.step > 0);
  CHECK((told > per ? told - per : per - told) * tolerance <= per);
  const auto burst = static_cast<int64_t>(o.burst_in_force());
  CHECK(Wide{bucket.most} == Wide{bucket.step} * burst);
  for (const int64_t now : {int64_t{0}, longest_duration.count() / unit_ns}) {
    const int64_t one_left = now + bucket.most - bucket.step;
    CHECK(bucket.remaining(0, now) == burst);
    CHECK(bucket.allows(one_left, now));
    const int64_t full = bucket.after(one_left, now);
    CHECK_FALSE(bucket.allows(full, now));
    CHECK(bucket.wait(full, now) == bucket.step);
    CHECK(BucketState::of(bucket, full, now, unit_ns, true).reset_ns == bucket.most * unit_ns);
  }
}

}  // namespace

TEST_CASE("rate × burst: whatever is accepted is counted as it is told") {
  int accepted = 0;
  for (const char* rate : {"1/1ns",
                           "1/999ns",
                           "1/1us",
                           "3/1us",
                           "1000000/1s",
                           "999999/1s",
                           "700000/1s",
                           "999/1ms",
                           "30000/1s",
                           "7/1s",
                           "100/1m",
                           "1/1h",
                           "1/24h",
                           "1/366d",
                           "3/366d",
                           "1/367d",
                           "31622400000000/366d",
                           "1000000000000/366d",
                           "18446744073709551615/1s",
                           "9223372036854775808/36500d"}) {
    for (const char* burst : {"0", "1", "2", "99", "100", "3000000", "1000000000", "1000000001",
                              "9223372036854775807", "18446744073709551615"}) {
      for (const char* store : {"memory", "redis"}) {
        const std::string limit =
            std::string("{ rate: ") + rate + ", burst: " + burst + ", store: " + store + " }";
        CAPTURE(limit);
        const Read got = read(limit);
        CHECK(got.rule.has_value() == got.problems.empty());
        if (!got.rule) continue;
        ++accepted;
        check_bucket(got.rule->ns, got.rule->options, 1, 1000);
        if (got.rule->remote) check_bucket(got.rule->us, got.rule->options, 1000, 100);
      }
    }
  }
  CHECK(accepted > 100);
}

TEST_CASE("a burst that would take more than a lifetime to come back is refused, with what would do") {
  CHECK(read("{ rate: 1/1h, burst: 3000000 }").problems ==
        "t.yaml:4:35: burst 3000000 at 1/1h takes more than 36500d to come back: make the burst 876000 at "
        "most, or "
        "the rate faster\n");
  CHECK(read("{ rate: 1/1h, burst: 876000 }").problems == "");
  CHECK(read("{ rate: 700000/1s, store: redis }").problems ==
        "t.yaml:4:22: a Redis counts in whole microseconds, where 700000/1s would be 1000000/1s: write that, "
        "or a rate "
        "that is a whole number of microseconds a request\n");
  CHECK(read("{ rate: 700000/1s }").problems == "");
}

TEST_CASE("a burst or a lease of nothing is refused, as it would stand for the default") {
  for (const std::string limit : {"{ rate: 100/1m, burst: 0 }", "{ rate: 100/1m, store: redis, lease: 0 }"}) {
    CAPTURE(limit);
    const Read got = read(limit);
    CHECK_FALSE(got.rule);
    CHECK(got.problems.find("must be from 1 to ") != std::string::npos);
  }
  CHECK(read("{ rate: 100/1m, burst: 1 }").problems == "");
}
