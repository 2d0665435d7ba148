// What a look-up costs among 10 routes and among 10,000: the ratio should be near 1.
#include "gateway/core/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "gateway/base/clock.h"
#include "gateway/config/route_pattern.h"

using namespace sallyport;

namespace {

// Nanoseconds a look-up, the best of seven rounds.
double cost(size_t routes) {
  std::deque<config::PathPattern> patterns;
  std::vector<Router::Entry> entries;
  for (size_t i = 0; i < routes; ++i) {
    patterns.push_back(config::PathPattern::parse(fmt::format("/service{}/orders/{{id}}/items", i)).value());
    entries.push_back({"", &patterns.back(), {"GET"}, reinterpret_cast<const Route*>(&patterns.back())});
  }
  const Router router(entries);
  std::vector<std::string> paths;  // ten of them, spread over all: the caches see the same number of places
  for (size_t i = 0; i < 10; ++i)
    paths.push_back(fmt::format("/service{}/orders/12345/items", i * routes / 10));
  PathParams params;
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    constexpr int times = 200'000;
    size_t found = 0;
    const Monotonic began = MonotonicClock::now();
    for (int i = 0; i < times; ++i)
      found += router.find("api.test", paths[i % 10], http::Method::get, "GET", params).route != nullptr;
    best = std::min(best, static_cast<double>((MonotonicClock::now() - began).count()) / times);
    if (found != times) return -1;
  }
  return best;
}

}  // namespace

int main() {
  const double few = cost(10), many = cost(10'000);
  fmt::print("10 routes: {:.0f} ns; 10,000 routes: {:.0f} ns; ratio {:.2f}\n", few, many, many / few);
}
