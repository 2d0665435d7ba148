#include "gateway/observe/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace sallyport;
using namespace sallyport::observe;

namespace {

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("the scrape is the sum over the workers") {
  Metrics a, b;
  a.counter("sallyport_requests_total", {{"route", "r"}, {"method", "GET"}, {"status", "200"}}).add(3);
  b.counter("sallyport_requests_total", {{"route", "r"}, {"method", "GET"}, {"status", "200"}}).add(4);
  Gauge of_a = a.gauge("sallyport_connections", {{"listener", "l"}});
  Gauge of_b = b.gauge("sallyport_connections", {{"listener", "l"}});
  of_a.add(5);
  of_b.add(-2);
  for (Metrics* m : {&a, &b})
    m->histogram("sallyport_request_duration_seconds", {{"route", "r"}}).observe(milliseconds(3));
  const std::string text = scrape({&a, &b});
  CHECK(has(text, R"(sallyport_requests_total{method="GET",route="r",status="200"} 7)"));
  CHECK(has(text, R"(sallyport_connections{listener="l"} 3)"));
  CHECK(has(text, R"(sallyport_request_duration_seconds_count{route="r"} 2)"));
  CHECK(has(text, R"(sallyport_request_duration_seconds_bucket{route="r",le="+Inf"} 2)"));
  CHECK(text.find("# TYPE sallyport_requests_total counter") != std::string::npos);
}

TEST_CASE("the same labels are the same series") {
  Metrics m;
  Counter& one = m.counter("sallyport_store_failures_total", {{"store", "a"}});
  CHECK(&one == &m.counter("sallyport_store_failures_total", {{"store", "a"}}));
  CHECK(&one != &m.counter("sallyport_store_failures_total", {{"store", "b"}}));
}

TEST_CASE("a histogram counts each duration once, in the smallest bucket that holds it") {
  Metrics m;
  Histogram& h = m.histogram("sallyport_request_duration_seconds", {{"route", "r"}});
  for (size_t i = 0; i < Histogram::buckets; ++i)
    h.observe(std::chrono::microseconds(Histogram::bounds_us[i]));
  h.observe(std::chrono::hours(1));
  h.observe(Duration::zero());
  uint64_t all = 0;
  for (size_t i = 0; i <= Histogram::buckets; ++i) all += h.count_in(i);
  CHECK(all == Histogram::buckets + 2);
  CHECK(h.count_in(0) == 2);
  CHECK(h.count_in(Histogram::buckets) == 1);
}

TEST_CASE("what varies is bounded, whatever clients do") {
  static std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) names.push_back("reason" + std::to_string(i));
  Metrics m;
  CounterSet set(m, "sallyport_tls_handshake_failures_total", {{"listener", "l"}}, "reason");
  for (const std::string& name : names) set.add(name);
  for (const std::string& name : names) set.add(name);
  const std::string text = scrape({&m});
  const auto lines = static_cast<size_t>(std::ranges::count(text, '\n'));
  CHECK(lines <= CounterSet::series_max + 8);
  CHECK(has(text, R"(sallyport_tls_handshake_failures_total{listener="l",reason="reason0"} 2)"));
  CHECK(text.find(R"(reason="other")") != std::string::npos);
}

TEST_CASE("a gauge goes with the last of its owners, a counter stays") {
  Metrics m;
  {
    Gauge one = m.gauge("sallyport_connections", {{"listener", "l"}});
    Gauge other = m.gauge("sallyport_connections", {{"listener", "l"}});
    one.add(2);
    other.add(3);
    m.counter("sallyport_connections_refused_total", {{"listener", "l"}}).add();
    CHECK(has(scrape({&m}), R"(sallyport_connections{listener="l"} 5)"));
  }
  const std::string text = scrape({&m});
  CHECK(text.find("sallyport_connections{") == std::string::npos);
  CHECK(has(text, R"(sallyport_connections_refused_total{listener="l"} 1)"));
}

TEST_CASE("what is expected is there at 0, and is the same series as what comes") {
  Metrics m;
  CounterSet set(m, "sallyport_config_reloads_total", {}, "result");
  set.expect("failure");
  CHECK(has(scrape({&m}), R"(sallyport_config_reloads_total{result="failure"} 0)"));
  set.add(std::string_view(std::string_view("a failure").substr(2)));
  CHECK(has(scrape({&m}), R"(sallyport_config_reloads_total{result="failure"} 1)"));
}
