// Metrics: counters that a worker adds to without a lock or an atomic read-modify-write, summed at the
// scrape.
//
// Each worker (and the main thread) has a Metrics of its own; only its thread adds. Counters and histograms
// live as long as the Metrics, so that the references stay good across reloads; callers look them up once and
// keep them. Those of a route that is gone stand still, and rate() makes 0 of them; a gauge would go on
// saying something, and goes with its owner. The number of series depends on the config and on fixed slugs,
// never on what clients send.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"

namespace sallyport::observe {

class Counter {
 public:
  void add(uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A level; the scrape sums the workers' levels. The series is there for as long as one of its owners keeps
// this.
class Gauge {
 public:
  void add(int64_t n) noexcept {
    level_->store(level_->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(int64_t n) noexcept { level_->store(n, std::memory_order_relaxed); }

 private:
  friend class Metrics;
  explicit Gauge(std::shared_ptr<std::atomic<int64_t>> level) noexcept : level_(std::move(level)) {}
  std::shared_ptr<std::atomic<int64_t>> level_;
};

// Durations in fixed buckets from 100 µs to 30 s.
class Histogram {
 public:
  static constexpr size_t buckets = 18;
  // Upper bounds, which belong to their buckets; one more, +Inf, is kept behind them.
  static constexpr int64_t bounds_us[buckets] = {
      100,     250,     500,     1'000,     2'500,     5'000,     10'000,     25'000,     50'000,
      100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 20'000'000, 30'000'000};
  void observe(Duration d) noexcept;
  uint64_t count_in(size_t bucket) const noexcept { return counts_[bucket].load(std::memory_order_relaxed); }
  uint64_t sum_ns() const noexcept { return sum_ns_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> counts_[buckets + 1] = {};
  std::atomic<uint64_t> sum_ns_{0};
};

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

class Metrics {
 public:
  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  // Finds or makes a series; takes a lock that only a scrape contends for. The family's help text is in
  // metrics.cc; an unknown family is a bug. The order of the labels is the caller's; the same labels give the
  // same series.
  Counter& counter(std::string_view family, Labels labels);
  Gauge gauge(std::string_view family, Labels labels);
  Histogram& histogram(std::string_view family, Labels labels);

  struct Impl;
  Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Counters of one family that differ in one or two small values found at run time (status, reason), looked up
// without a lock or an allocation once they exist. One worker's thread. Bounded: beyond series_max all else
// counts as "other".
class CounterSet {
 public:
  // fixed: the labels that do not vary (copied); varying: the names of the two that do; the second may be
  // empty.
  CounterSet(Metrics& metrics, std::string_view family,
             std::vector<std::pair<std::string, std::string>> fixed, std::string_view varying1,
             std::string_view varying2 = {});
  // v1 and v2 must have static storage.
  void add(std::string_view v1, std::string_view v2 = {}) { find(v1, v2).add(); }
  // What an alert or a dashboard asks for is there at 0 before it happens: to increase() and rate() a counter
  // that is born at 1 has not moved.
  void expect(std::string_view v1, std::string_view v2 = {}) { find(v1, v2); }
  static constexpr size_t series_max = 64;

 private:
  struct Entry {
    std::string_view v1, v2;
    Counter* counter;
  };
  Counter& find(std::string_view v1, std::string_view v2);

  Metrics& metrics_;
  std::string family_;
  std::vector<std::pair<std::string, std::string>> fixed_;
  std::string varying1_, varying2_;
  std::vector<Entry> entries_;
};

// The sum over all of them, in the Prometheus text format. Any thread; the Metrics must outlive the call.
std::string scrape(const std::vector<Metrics*>& all);

}  // namespace sallyport::observe
