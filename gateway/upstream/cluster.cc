#include "gateway/upstream/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/observe/log.h"

namespace sallyport::upstream {
namespace {

constexpr Duration skip_first = seconds(1);  // after one failure; doubled with each more
constexpr Duration skip_most = seconds(30);
constexpr Duration ttl_least = seconds(1);  // a name whose answer lasts for less is not looked up more often

}  // namespace

Cluster::Cluster(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics, ClusterOptions options)
    : loop_(loop),
      resolver_(resolver),
      options_(std::move(options)),
      sweeper_(loop, &Cluster::sweep, this),
      idle_gauge_(
          metrics.gauge("sallyport_upstream_connections", {{"upstream", options_.name}, {"state", "idle"}})),
      active_gauge_(metrics.gauge("sallyport_upstream_connections",
                                  {{"upstream", options_.name}, {"state", "active"}})),
      duration_(metrics.histogram("sallyport_upstream_duration_seconds", {{"upstream", options_.name}})),
      outcomes_(metrics, "sallyport_upstream_requests_total", {{"upstream", options_.name}}, "outcome") {
  for (const char* outcome :
       {"success", "connection_refused", "connect_timeout", "connection_reset", "name_not_resolved",
        "name_timeout", "tls_error", "upstream_timeout", "upstream_closed", "upstream_reset"}) {
    outcomes_.expect(outcome);
  }
  for (const Target& target : options_.targets) {
    endpoints_.push_back(std::make_unique<Endpoint>());
    endpoints_.back()->target = target;
    has_http2_ = has_http2_ || target.http2;
  }
}

Cluster::~Cluster() {
  resolving_.cancel_all();
  while (Connection* idle = idle_.front()) {
    idle_gauge_.add(-1);
    close(*idle);
  }
  while (StreamLease* lease = over_.pop_front()) delete lease;
  while (SharedConnection* shared = shared_.pop_front()) {
    idle_gauge_.add(-1);
    shared->orphan();
    // Its last request may have ended just now, told by the session itself.
    loop_.post([kept = std::unique_ptr<SharedConnection>(shared)] {});
  }
}

// Round robin, past endpoints that have just failed; if all have, they are asked nevertheless.
Endpoint& Cluster::choose() {
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    Endpoint& endpoint = *endpoints_[turn_++ % endpoints_.size()];
    if (endpoint.failures == 0 || endpoint.skip_until <= loop_.now()) return endpoint;
  }
  return *endpoints_[turn_++ % endpoints_.size()];
}

Connection* Cluster::idle_connection(Endpoint& endpoint) {
  for (Connection* c = idle_.back(); c != nullptr;) {  // the one used last is the likeliest to live
    Connection* before = idle_.before(*c);
    if (&c->endpoint == &endpoint) {
      c->unlink();
      idle_gauge_.add(-1);
      if (c->http.alive()) {
        active_gauge_.add(1);
        leased_.push_back(*c);
        c->reused = true;
        return c;
      }
      close(*c);
    }
    c = before;
  }
  return nullptr;
}

Task<Result<Lease*>> Cluster::acquire(bool fresh) {
  Endpoint& endpoint = choose();
  if (endpoint.target.http2) {
    if (SharedConnection* shared = with_room(endpoint))
      return Task<Result<Lease*>>::ready(lease(*shared, true));
    return open_stream(endpoint);
  }
  if (!fresh) {
    if (Connection* idle = idle_connection(endpoint)) return Task<Result<Lease*>>::ready(idle);
  }
  return open(endpoint);
}

// Closes one that nobody uses; false if there is no room yet.
bool Cluster::make_room() noexcept {
  if (Connection* other = idle_.front()) {
    other->unlink();
    idle_gauge_.add(-1);
    close(*other);
    return true;
  }
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) {
    if (c->leases > 0 || c->endpoint.opening || c->session().ended()) continue;
    c->session().goodbye();
    break;
  }
  return false;
}

Task<Result<Lease*>> Cluster::open(Endpoint& endpoint) {
  const Monotonic deadline = loop_.now() + options_.connect_timeout;
  while (open_ >= options_.connections_max) {
    if (Connection* idle = idle_connection(endpoint)) co_return idle;
    if (make_room()) continue;
    const Monotonic again = make_way(endpoint);
    if (again <= loop_.now()) continue;
    if (loop_.now() >= deadline) co_return full();
    co_await wait_for_room(waiting_, std::min(deadline, again));
  }
  Result<Lease*> opened = co_await open_in(endpoint, deadline);
  if (!opened) failed(endpoint, opened.error());
  co_return opened;
}

// False after the time.
Task<bool> Cluster::wait_for_room(List<WaitsForRoom>& queue, Monotonic deadline) {
  WaitsForRoom here(loop_, deadline);
  queue.push_back(here);
  co_return co_await here.room;
}

Task<Result<Lease*>> Cluster::open_in(Endpoint& endpoint, Monotonic deadline) {
  OpenSlot slot(*this);
  Result<std::unique_ptr<net::Stream>> stream = co_await connect(endpoint, deadline);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  slot.keep();
  active_gauge_.add(1);
  auto* made = new Connection(*this, endpoint, std::move(*stream));
  leased_.push_back(*made);
  co_return made;
}

Task<Result<std::unique_ptr<net::Stream>>> Cluster::connect(Endpoint& endpoint, Monotonic deadline) {
  Result<void> resolved = co_await have_addresses(endpoint, deadline);
  if (!resolved) co_return std::unexpected(std::move(resolved.error()));
  net::TlsOptions tls;
  if (endpoint.target.tls) {
    tls.context = options_.tls;
    tls.server_name = options_.server_name.empty() ? endpoint.target.host : options_.server_name;
    tls.http2 = endpoint.target.http2;
  }
  for (size_t left = endpoint.addresses.size();; --left) {
    const net::SocketAddress address =
        endpoint.addresses[endpoint.next_address++ % endpoint.addresses.size()];
    Result<std::unique_ptr<net::Stream>> stream = co_await net::connect(loop_, address, tls, deadline);
    if (stream) co_return stream;
    const Error& e = stream.error();
    // One that refuses at once leaves time for the name's others.
    if (left > 1 && (e.code == Code::connection_refused || e.code == Code::io)) continue;
    const std::string_view reason = e.code == Code::timed_out    ? "connect_timeout"
                                    : e.code == Code::tls_failed ? "upstream_tls_failed"
                                                                 : "connect_failed";
    co_return fail(
        Code::upstream_unreachable, reason,
        fmt::format("{} ({}): {} {}", endpoint.target.authority, address.host, e.reason, e.detail));
  }
}

Task<Result<void>> Cluster::have_addresses(Endpoint& endpoint, Monotonic deadline) {
  if (!endpoint.addresses.empty()) {
    if (!endpoint.resolving && loop_.now() >= endpoint.look_up_at) resolving_.start(resolve_again(endpoint));
    co_return Result<void>{};
  }
  auto found = co_await resolver_.resolve(endpoint.target.host, endpoint.target.port, deadline);
  if (!found) {
    co_return fail(Code::upstream_unreachable, found.error().reason,
                   fmt::format("{}: {}", endpoint.target.host, found.error().detail));
  }
  take_addresses(endpoint, std::move(*found));
  co_return Result<void>{};
}

void Cluster::take_addresses(Endpoint& endpoint, net::Resolved found) {
  endpoint.addresses = std::move(found.addresses);
  endpoint.look_up_at = loop_.now() + std::min(options_.resolve_every, std::max(found.good_for, ttl_least));
}

// In the background, while the known addresses stay in use; a failure keeps them.
Task<> Cluster::resolve_again(Endpoint& endpoint) {
  endpoint.resolving = true;
  endpoint.look_up_at = loop_.now() + options_.resolve_every;
  auto found = co_await resolver_.resolve(endpoint.target.host, endpoint.target.port, endpoint.look_up_at);
  endpoint.resolving = false;
  const bool lost = std::exchange(endpoint.name_lost, !found);
  if (found) {
    take_addresses(endpoint, std::move(*found));
  } else if (!lost) {
    observe::log(observe::Level::warn, "upstream_name_lost",
                 {{"upstream", options_.name},
                  {"target", endpoint.target.authority},
                  {"reason", found.error().reason},
                  {"detail", found.error().detail + "; the addresses of before are used"}});
  }
}

void Cluster::succeeded(Endpoint& endpoint, Duration took) noexcept {
  if (endpoint.failures > 0) {
    observe::log(observe::Level::info, "upstream_recovered",
                 {{"upstream", options_.name}, {"target", endpoint.target.authority}});
  }
  endpoint.failures = 0;
  outcomes_.add("success");
  duration_.observe(took);
}

void Cluster::failed(Endpoint& endpoint, const Error& error) {
  outcomes_.add(error.reason);
  if (endpoint.failures == 0) {
    observe::log(observe::Level::warn, "upstream_failed",
                 {{"upstream", options_.name},
                  {"target", endpoint.target.authority},
                  {"reason", error.reason},
                  {"detail", error.detail}});
  }
  const uint32_t doublings = std::min<uint32_t>(endpoint.failures++, 5);
  endpoint.skip_until = loop_.now() + std::min<Duration>(skip_first * (1U << doublings), skip_most);
}

void Cluster::give_back(Connection& connection) noexcept {
  if (connection.abandoned) {
    delete &connection;
    return;
  }
  active_gauge_.add(-1);
  if (!connection.http.reusable()) {
    close(connection);
    look_around();
    return;
  }
  connection.idle_since = loop_.now();
  idle_.push_back(connection);
  idle_gauge_.add(1);
  connection.http.stream().rest();
  if (!sweeper_.armed()) sweeper_.arm_after(sweep_every);
  if (!waiting_.empty()) look_around();
}

void Cluster::close(Connection& connection) noexcept {
  --open_;
  delete &connection;
}

// Whoever waits goes on here, not inside the end of another exchange.
void Cluster::at_turn_end() {
  // One that ends may have been the last to need this cluster, after a reload.
  const std::shared_ptr<Cluster> alive = giving_way_.empty() ? nullptr : weak_from_this().lock();
  while (Lease* lease = giving_way_.pop_front()) {
    leased_.push_back(*lease);
    lease->requester.give_up_content();
  }
  clear_away();
  for (const auto& endpoint : endpoints_) tell_waiting(*endpoint);
  while (open_ < options_.connections_max || !idle_.empty()) {
    WaitsForRoom* next = waiting_.pop_front();
    if (next == nullptr) return;
    next->room.notify();
  }
}

void Cluster::sweep(void* self) {
  auto& cluster = *static_cast<Cluster*>(self);
  const Monotonic too_old = cluster.loop_.now() - cluster.options_.idle_timeout;
  for (Connection* c = cluster.idle_.front(); c != nullptr;) {
    Connection* next = cluster.idle_.after(*c);
    if (c->idle_since <= too_old || !c->http.alive()) {
      c->unlink();
      cluster.idle_gauge_.add(-1);
      cluster.close(*c);
    }
    c = next;
  }
  bool more = !cluster.idle_.empty();
  for (SharedConnection* c = cluster.shared_.front(); c != nullptr; c = cluster.shared_.after(*c)) {
    if (c->leases > 0) continue;
    if (c->idle_since <= too_old) c->session().goodbye();  // and once that is out, it has ended
    more = true;
  }
  if (more) cluster.sweeper_.arm_after(sweep_every);
}

}  // namespace sallyport::upstream
