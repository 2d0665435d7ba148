#include "gateway/observe/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

namespace sallyport::observe {
namespace {

struct Family {
  std::string_view name;
  prometheus::MetricType type;
  std::string_view help;
};
constexpr auto counter_type = prometheus::MetricType::Counter;
constexpr auto gauge_type = prometheus::MetricType::Gauge;
constexpr auto histogram_type = prometheus::MetricType::Histogram;

// All there are.
constexpr std::array<Family, 23> families = {{
    {"sallyport_requests_total", counter_type,
     "Requests, by route, method and status; status none: the client left."},
    {"sallyport_request_duration_seconds", histogram_type,
     "From the request's head to the answer's last byte."},
    {"sallyport_upstream_duration_seconds", histogram_type,
     "From the choice of an endpoint to the answer's head."},
    {"sallyport_refusals_total", counter_type,
     "Refusals by a policy; in shadow mode what would have been refused."},
    {"sallyport_connections", gauge_type, "Open connections of clients."},
    {"sallyport_connections_refused_total", counter_type,
     "Connections closed at accept, by what there were too many for."},
    {"sallyport_connections_gave_way_total", counter_type,
     "Connections that asked for nothing, and were ended as places for newcomers were short."},
    {"sallyport_tls_handshakes_total", counter_type, "TLS handshakes that succeeded."},
    {"sallyport_tls_handshake_failures_total", counter_type, "TLS handshakes that failed."},
    {"sallyport_http2_connections_ended_total", counter_type,
     "HTTP/2 connections that were ended because of what the client did, by reason."},
    {"sallyport_upstream_requests_total", counter_type,
     "Attempts at an upstream, by outcome; answer_broken: one whose answer did not come to its end, beside "
     "its success."},
    {"sallyport_upstream_connections", gauge_type, "Open connections to an upstream."},
    {"sallyport_store_duration_seconds", histogram_type, "From a command to a store to its reply."},
    {"sallyport_store_failures_total", counter_type, "Commands to a store that failed or came too late."},
    {"sallyport_config_reloads_total", counter_type, "Reloads of the config."},
    {"sallyport_file_reloads_total", counter_type,
     "Files and documents that were read again, by kind (certificate, api_keys, key_set) and result."},
    {"sallyport_certificate_expiry_timestamp_seconds", gauge_type, "When a certificate expires (Unix time)."},
    {"sallyport_token_signature_checks_total", counter_type,
     "Signatures of tokens that were checked, not found in the cache."},
    {"sallyport_memory_bytes", gauge_type,
     "Memory of requests and connections, of the workers together: held by them, kept for the next, and the "
     "budget for what is held."},
    {"sallyport_memory_refusals_total", counter_type,
     "For want of memory: connections that were closed at accept, HTTP/2 requests that were reset "
     "(REFUSED_STREAM), and connections that gave way to others, as they held much for clients that neither "
     "sent nor read; other requests get 503 memory_full."},
    {"sallyport_access_log_lost_total", counter_type,
     "Access-log lines that found no room and were dropped."},
    {"sallyport_error_log_lost_total", counter_type, "Error-log lines that found no room and were dropped."},
    {"sallyport_build_info", gauge_type, "The version; always 1."},
}};

const Family& family_called(std::string_view name, prometheus::MetricType type) {
  const auto found = std::ranges::find(families, name, &Family::name);
  if (found == families.end() || found->type != type) std::abort();  // a bug of ours
  return *found;
}

using LabelSet = std::vector<std::pair<std::string, std::string>>;
LabelSet label_set(Labels labels) {
  LabelSet set;
  for (const Label& l : labels) set.emplace_back(l.name, l.value);
  std::ranges::sort(set);
  return set;
}

struct Key {
  const Family* family;
  LabelSet labels;
  auto operator<=>(const Key&) const = default;
};

}  // namespace

void Histogram::observe(Duration d) noexcept {
  size_t bucket = 0;
  while (bucket < buckets && d.count() > bounds_us[bucket] * 1000) ++bucket;
  const auto add = [](std::atomic<uint64_t>& to, uint64_t n) {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  };
  add(counts_[bucket], 1);
  add(sum_ns_, static_cast<uint64_t>(std::max<int64_t>(d.count(), 0)));
}

struct Metrics::Impl {
  std::mutex mutex;
  std::map<Key, std::unique_ptr<Counter>> counters;
  std::map<Key, std::weak_ptr<std::atomic<int64_t>>> gauges;  // their owners have them
  std::map<Key, std::unique_ptr<Histogram>> histograms;

  template <class T>
  T& find(std::map<Key, std::unique_ptr<T>>& in, std::string_view family, prometheus::MetricType type,
          LabelSet labels) {
    std::lock_guard lock(mutex);
    std::unique_ptr<T>& at = in[{&family_called(family, type), std::move(labels)}];
    if (at == nullptr) at = std::make_unique<T>();
    return *at;
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view family, Labels labels) {
  return impl_->find(impl_->counters, family, counter_type, label_set(labels));
}
Gauge Metrics::gauge(std::string_view family, Labels labels) {
  std::lock_guard lock(impl_->mutex);
  auto& at = impl_->gauges[{&family_called(family, gauge_type), label_set(labels)}];
  std::shared_ptr<std::atomic<int64_t>> level = at.lock();
  if (level == nullptr) at = level = std::make_shared<std::atomic<int64_t>>(0);
  return Gauge(std::move(level));
}
Histogram& Metrics::histogram(std::string_view family, Labels labels) {
  return impl_->find(impl_->histograms, family, histogram_type, label_set(labels));
}

CounterSet::CounterSet(Metrics& metrics, std::string_view family,
                       std::vector<std::pair<std::string, std::string>> fixed, std::string_view varying1,
                       std::string_view varying2)
    : metrics_(metrics),
      family_(family),
      fixed_(std::move(fixed)),
      varying1_(varying1),
      varying2_(varying2) {}

Counter& CounterSet::find(std::string_view v1, std::string_view v2) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry& e = entries_[i];
    const bool same = e.v1.data() == v1.data() && e.v2.data() == v2.data() && e.v1.size() == v1.size() &&
                      e.v2.size() == v2.size();
    if (!same && (e.v1 != v1 || e.v2 != v2)) continue;
    if (i == 0) return *e.counter;
    std::swap(e, entries_[i - 1]);  // what comes often is found early
    return *entries_[i - 1].counter;
  }
  if (entries_.size() >= series_max) v1 = v2 = "other";
  LabelSet labels = fixed_;
  labels.emplace_back(varying1_, v1);
  if (!varying2_.empty()) labels.emplace_back(varying2_, v2);
  std::ranges::sort(labels);
  Metrics::Impl& impl = metrics_.impl();
  Counter& counter = impl.find(impl.counters, family_, counter_type, std::move(labels));
  if (entries_.size() <= series_max) entries_.push_back({v1, v2, &counter});
  return counter;
}

namespace {

using Sums = std::map<Key, prometheus::ClientMetric>;

void add_histogram(prometheus::ClientMetric& to, const Histogram& from) {
  auto& h = to.histogram;
  if (h.bucket.empty()) {
    h.bucket.resize(Histogram::buckets + 1);
    for (size_t i = 0; i < Histogram::buckets; ++i)
      h.bucket[i].upper_bound = static_cast<double>(Histogram::bounds_us[i]) / 1e6;
    h.bucket.back().upper_bound = std::numeric_limits<double>::infinity();
  }
  uint64_t up_to_here = 0;
  for (size_t i = 0; i <= Histogram::buckets; ++i) {
    up_to_here += from.count_in(i);
    h.bucket[i].cumulative_count += up_to_here;
  }
  h.sample_count += up_to_here;
  h.sample_sum += static_cast<double>(from.sum_ns()) * 1e-9;
}

}  // namespace

std::string scrape(const std::vector<Metrics*>& all) {
  Sums sums;
  for (Metrics* metrics : all) {
    Metrics::Impl& impl = metrics->impl();
    std::lock_guard lock(impl.mutex);
    for (const auto& [key, counter] : impl.counters)
      sums[key].counter.value += static_cast<double>(counter->value());
    std::erase_if(impl.gauges, [](const auto& gauge) { return gauge.second.expired(); });
    for (const auto& [key, gauge] : impl.gauges) {
      if (const auto level = gauge.lock()) sums[key].gauge.value += static_cast<double>(level->load());
    }
    for (const auto& [key, histogram] : impl.histograms) add_histogram(sums[key], *histogram);
  }
  std::vector<prometheus::MetricFamily> out;
  for (auto& [key, metric] : sums) {
    if (out.empty() || out.back().name != key.family->name) {
      prometheus::MetricFamily family;
      family.name = key.family->name;
      family.help = key.family->help;
      family.type = key.family->type;
      out.push_back(std::move(family));
    }
    for (const auto& [name, value] : key.labels) metric.label.push_back({name, value});
    out.back().metric.push_back(std::move(metric));
  }
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace sallyport::observe
