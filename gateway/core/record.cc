#include "gateway/core/record.h"

#include <array>
#include <chrono>

#include "gateway/core/world.h"

namespace sallyport {
namespace {

constexpr Slice client_gone = "client_gone";

// "200" and so on with static storage, as the counters ask for.
Slice status_text(int status) noexcept {
  static constexpr auto digits = [] {
    std::array<std::array<char, 3>, 500> all{};
    for (size_t i = 0; i < all.size(); ++i) {
      const size_t n = i + 100;
      all[i] = {static_cast<char>('0' + n / 100), static_cast<char>('0' + n / 10 % 10),
                static_cast<char>('0' + n % 10)};
    }
    return all;
  }();
  if (status < 100 || status > 599) return "none";
  return {digits[static_cast<size_t>(status) - 100].data(), 3};
}

uint64_t microseconds(Duration d) noexcept {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(d).count());
}

}  // namespace

void record(const Exchange& x) noexcept {
  const Route& route = *x.route;
  const bool complete = x.sent().has_value() && x.answered;
  const Duration took = MonotonicClock::now() - x.began;
  route.requests.add(http::to_string(x.request.method), status_text(x.answered ? x.response.status : 0));
  route.duration.observe(took);

  observe::AccessLog* log = x.world->access_log;
  if (log == nullptr || !log->enabled()) return;
  const http::Request& r = x.request;
  observe::AccessRecord line;
  line.time = x.began_wall;
  line.request_id = x.request_id;
  line.client_ip = x.client_ip;
  line.listener = x.connection.listener;
  line.tls = x.connection.tls_version;
  line.http = http::to_string(r.version);
  line.method = r.method == http::Method::other ? r.method_text : Slice(http::to_string(r.method));
  line.host = r.host;
  line.path = r.path;
  line.route = route.name;
  line.status = x.answered ? x.response.status : 0;
  line.bytes_in = x.responder().content_received();
  line.bytes_out = x.responder().content_sent();
  line.duration_us = microseconds(took);
  line.upstream = x.notes.upstream;
  line.upstream_us = x.notes.upstream_us;
  if (x.principal != nullptr) {
    line.client = x.principal->client;
    line.credential = x.principal->credential;
  } else {
    line.client = x.notes.client;
    line.credential = x.notes.credential;
  }
  line.refused_by = x.notes.refused_by;
  line.reason = x.notes.reason;
  if (line.reason.empty() && !complete)
    line.reason = x.sent().has_value() ? client_gone : x.sent().error().reason;
  line.would_refuse = x.notes.would_refuse;
  line.user_agent = r.headers.get(http::HeaderId::user_agent);
  log->write(x.world->worker, line);
}

}  // namespace sallyport
