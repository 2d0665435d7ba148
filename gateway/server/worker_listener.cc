// What a worker knows of a listener: whom it lets in, by which certificates, and what is counted of it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/observe/log.h"
#include "gateway/server/worker.h"

namespace sallyport::server {

ListenerCounts::ListenerCounts(observe::Metrics& metrics, const ListenerPlan& plan)
    : connections(metrics.gauge("sallyport_connections", {{"listener", plan.config.name}})),
      refused(metrics, "sallyport_connections_refused_total", {{"listener", plan.config.name}}, "reason"),
      gave_way(metrics.counter("sallyport_connections_gave_way_total", {{"listener", plan.config.name}})),
      handshakes(metrics, "sallyport_tls_handshakes_total", {{"listener", plan.config.name}}, "version",
                 "resumed"),
      handshake_failures(metrics, "sallyport_tls_handshake_failures_total", {{"listener", plan.config.name}},
                         "reason"),
      http2_ended(metrics, "sallyport_http2_connections_ended_total", {{"listener", plan.config.name}},
                  "reason") {
  for (const char* reason : {"connections", "connections_per_address", "descriptors"}) refused.expect(reason);
  if (plan.tls == nullptr) return;
  for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
    for (const char* resumed : {"true", "false"}) handshakes.expect(version, resumed);
  }
  for (const char* reason : {"timeout", "closed_by_peer", "not_tls", "plain_http", "protocol_error",
                             "unsupported_version", "no_shared_cipher", "certificate_refused_by_peer",
                             "bad_certificate", "no_client_certificate", "memory_full"}) {
    handshake_failures.expect(reason);
  }
}

std::shared_ptr<net::TlsServerContext> WorkerListener::tls_context() {
  const uint64_t version = material->version();
  if (context != nullptr && version == material_version) return context;
  material_version = version;
  const auto newest = material->load();
  auto made = net::TlsServerContext::make(*newest);
  if (made) {
    context = std::move(*made);
    admit_by(newest.get());
  } else {
    observe::log(observe::Level::error, "tls_context_failed",
                 {{"listener", name}, {"detail", made.error().detail}});
  }
  return context;  // after a failure: what served so far
}

void WorkerListener::follow(observe::Metrics& metrics, const ListenerPlan& plan) {
  if (counts == nullptr || name != plan.config.name || (material == nullptr && plan.tls != nullptr))
    counts = std::make_unique<ListenerCounts>(metrics, plan);
  name = plan.config.name;
  redirect = plan.config.redirect.has_value();
  const auto& proxy = plan.config.proxy_protocol;
  proxies = proxy ? CidrSet(proxy->from) : CidrSet();
  proxies_text = proxy ? fmt::format("{}", fmt::join(proxy->from, " ")) : "";
  if (plan.config.tls) handshake_timeout = plan.config.tls->handshake_timeout;
  material = plan.tls;
  context.reset();
  look_at_admission();
}

void WorkerListener::look_at_admission() {
  const auto newest = material == nullptr ? nullptr : material->load();
  admit_by(newest.get());
}

// Who names the client of a connection, too, was believed when it was let in.
void WorkerListener::admit_by(const TlsMaterial* tls) {
  std::string by = (tls == nullptr ? "plain" : net::admission_by(*tls)) + ' ' + proxies_text;
  if (by == admitted_by) return;
  admitted_by = std::move(by);
  ++admission;
}

void WorkerListener::count_handshake(Slice version, bool resumed) {
  counts->handshakes.add(version == "TLSv1.3" ? "TLSv1.3" : "TLSv1.2", resumed ? "true" : "false");
}

void tell_where_tls_is(const std::vector<std::shared_ptr<WorkerListener>>& listeners) {
  constexpr uint16_t usual = 443;
  const auto with_tls = [](const auto& listener) {
    return listener->material != nullptr && listener->port != 0;
  };
  const auto first = std::ranges::find_if(listeners, with_tls);
  const uint16_t port = first == listeners.end() || (*first)->port == usual ? 0 : (*first)->port;
  for (const auto& listener : listeners) listener->https_port = port;
}

}  // namespace sallyport::server
