#include "gateway/upstream/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/base/cidr.h"
#include "gateway/observe/log.h"

namespace sallyport::upstream {
Cluster::Cluster(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics, ClusterOptions options)
    : loop_(loop),
      resolver_(resolver),
      options_(std::move(options)),
      keeps_firsts_(connections_least(options_.targets) <= options_.connections_max),
      sweeper_(loop, &Cluster::sweep, this),
      way_maker_(
          loop, [](void* self) { static_cast<Cluster*>(self)->look_around(); }, this),
      idle_gauge_(
          metrics.gauge("sallyport_upstream_connections", {{"upstream", options_.name}, {"state", "idle"}})),
      active_gauge_(metrics.gauge("sallyport_upstream_connections",
                                  {{"upstream", options_.name}, {"state", "active"}})),
      duration_(metrics.histogram("sallyport_upstream_duration_seconds", {{"upstream", options_.name}})),
      outcomes_(metrics, "sallyport_upstream_requests_total", {{"upstream", options_.name}}, "outcome") {
  for (const char* outcome :
       {"success", "connection_refused", "connect_timeout", "connection_reset", "name_not_resolved",
        "name_timeout", "tls_error", "upstream_timeout", "upstream_closed", "upstream_reset",
        "upstream_refused_stream", "upstream_goaway", "answer_broken"}) {
    outcomes_.expect(outcome);
  }
  for (const Target& target : options_.targets) {
    endpoints_.push_back(std::make_unique<Endpoint>());
    endpoints_.back()->target = target;
    endpoints_.back()->named = !parse_ip(target.host);
    has_http2_ = has_http2_ || target.http2;
  }
}

Cluster::~Cluster() {
  background_.cancel_all();
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

// The one used last is the likeliest to live. Of several addresses it is one to the next in turn, if there
// may be another connection: none, where there is no idle one to that.
Connection* Cluster::idle_connection(Endpoint& endpoint) {
  const net::SocketAddress* to = nullptr;
  if (endpoint.addresses.size() > 1 && has_place(nullptr)) to = &next_good(endpoint).at;
  for (Connection* c = idle_.back(); c != nullptr;) {
    Connection* before = idle_.before(*c);
    if (&c->endpoint == &endpoint && (to == nullptr || c->address == *to)) {
      c->unlink();
      idle_gauge_.add(-1);
      if (c->http.alive()) {
        active_gauge_.add(1);
        leased_.push_back(*c);
        c->reused = true;
        if (to != nullptr) ++endpoint.next_address;
        return c;
      }
      close(*c);
    }
    c = before;
  }
  return nullptr;
}

Task<Result<Lease*>> Cluster::acquire(Slice client_ip, bool fresh, Monotonic latest) {
  Endpoint& endpoint = choose();
  const Monotonic deadline = std::min(loop_.now() + options_.connect_timeout, latest);
  if (endpoint.named && keep_up(endpoint)) return acquire_late(client_ip, endpoint, fresh, deadline);
  if (Lease* kept = kept_one(endpoint, fresh)) return Task<Result<Lease*>>::ready(kept);
  return acquire_new(client_ip, endpoint, deadline);
}

// With what is known once the name's look-up is over or has had its time.
Task<Result<Lease*>> Cluster::acquire_late(Slice client_ip, Endpoint& endpoint, bool fresh,
                                           Monotonic deadline) {
  co_await catch_up(endpoint, std::min(behind_until(endpoint), deadline));
  if (Lease* kept = kept_one(endpoint, fresh)) co_return kept;
  co_return co_await acquire_new(client_ip, endpoint, deadline);
}

// None for whoever comes while others wait.
Lease* Cluster::kept_one(Endpoint& endpoint, bool fresh) {
  if (!endpoint.target.http2) return fresh || !waiting_.empty() ? nullptr : idle_connection(endpoint);
  SharedConnection* shared = endpoint.waiting.empty() ? with_room(endpoint) : nullptr;
  if (shared != nullptr) spread(endpoint);
  return shared == nullptr ? nullptr : lease(*shared, true);
}

Task<Result<Lease*>> Cluster::acquire_new(Slice client_ip, Endpoint& endpoint, Monotonic deadline) {
  return endpoint.target.http2 ? open_stream(client_ip, endpoint, deadline)
                               : open(client_ip, endpoint, deadline);
}

// For one more connection to that endpoint (null: of HTTP/1.1), beside the first ones of all others.
// without_http1: as if so many of those were gone.
bool Cluster::has_place(const Endpoint* http2, size_t without_http1) noexcept {
  if (open_ + endpoints_.size() < options_.connections_max) return true;
  const size_t without = without_http1 + std::min(count_leaving(), options_.connections_max);
  if (!keeps_firsts_) return open_ - without < options_.connections_max;
  size_t kept = 0, of_http1 = 0;
  bool has_http1 = false;
  for (const auto& endpoint : endpoints_) {
    if (!endpoint->target.http2) {
      has_http1 = true;
      of_http1 += endpoint->open;
    } else if (endpoint.get() != http2 && endpoint->open == endpoint->leaving) {
      ++kept;
    }
  }
  if (has_http1 && http2 != nullptr && of_http1 <= without_http1) ++kept;
  return open_ - without + kept < options_.connections_max;
}

// Perhaps once one that nobody uses is closed.
bool Cluster::can_have_place(const Endpoint* http2) noexcept {
  return has_place(http2) || (!idle_.empty() && has_place(http2, 1));
}

// False if there is no place yet.
bool Cluster::make_room(const Endpoint* http2) noexcept {
  if (has_place(http2)) return true;
  if (can_have_place(http2)) {
    Connection* other = idle_.front();
    other->unlink();
    idle_gauge_.add(-1);
    close(*other);
    return true;
  }
  let_shared_go();
  return false;
}

void Cluster::count_out(Endpoint& endpoint) noexcept {
  --open_;
  --endpoint.open;
}

// One that nobody uses. Not a target's last one, whose place is kept for it.
void Cluster::let_shared_go() noexcept {
  count_leaving();
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) {
    const Endpoint& endpoint = c->endpoint;
    if (c->leases > 0 || endpoint.opening || c->is_leaving()) continue;
    if (keeps_firsts_ && endpoint.open == endpoint.leaving + 1) continue;
    c->session().goodbye();
    return;
  }
}

Task<Result<Lease*>> Cluster::open(Slice client_ip, Endpoint& endpoint, Monotonic deadline) {
  if (!waiting_.empty() || !make_room(nullptr)) {
    const bool in_time = co_await wait_for_turn(waiting_, client_ip, deadline);
    if (!in_time) co_return full();
    if (Connection* idle = idle_connection(endpoint)) co_return idle;
    if (!make_room(nullptr)) co_return full();
  }
  const Monotonic began = loop_.now();
  Result<Lease*> opened = co_await open_in(endpoint, deadline);
  if (!opened) not_opened(endpoint, opened.error(), began, deadline);
  co_return opened;
}

// True: there is a place, and it is this one's. False after the time.
Task<bool> Cluster::wait_for_turn(Turns& turns, Slice client_ip, Monotonic deadline) {
  Turns::Waiter here(turns, client_ip);
  look_around();
  co_return co_await here.wait(loop_, deadline);
}

Task<Result<Lease*>> Cluster::open_in(Endpoint& endpoint, Monotonic deadline) {
  OpenSlot slot(*this, endpoint);
  Result<Connected> connected = co_await connect(endpoint, deadline);
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  slot.keep();
  active_gauge_.add(1);
  auto* made = new Connection(*this, endpoint, std::move(*connected));
  leased_.push_back(*made);
  co_return made;
}

void Cluster::give_back(Connection& connection) noexcept {
  if (connection.abandoned) {
    delete &connection;
    return;
  }
  active_gauge_.add(-1);
  if (connection.outdated || !connection.http.reusable()) {
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
  count_out(connection.endpoint);
  delete &connection;
}

// Whoever waits goes on here, not inside the end of another exchange.
void Cluster::at_turn_end() {
  // Who goes on here, or ends, may have been the last to need this cluster, after a reload.
  const std::shared_ptr<Cluster> alive = weak_from_this().lock();
  clear_away();
  for (const auto& endpoint : endpoints_) tell_waiting(*endpoint);
  while (!waiting_.empty() && can_have_place(nullptr)) waiting_.next()->call();
  const auto is_waited_for = [](const auto& endpoint) { return !endpoint->waiting.empty(); };
  if (waiting_.empty() && std::ranges::none_of(endpoints_, is_waited_for)) return;
  let_shared_go();
  make_way();
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
