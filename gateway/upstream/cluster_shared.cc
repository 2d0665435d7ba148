// The HTTP/2 connections of a cluster: few of them, each with many streams.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {

// One connection to an endpoint is being opened: the others wait, and hear of its end, also if the task is
// cancelled.
struct Cluster::Opening {
  Opening(Cluster& of, Endpoint& to) noexcept : cluster(of), endpoint(to) { endpoint.opening = true; }
  Opening(const Opening&) = delete;
  ~Opening() {
    endpoint.opening = false;
    cluster.look_around();
  }
  Cluster& cluster;
  Endpoint& endpoint;
};

namespace {

// While uploads hold up the connections of a backend that takes no other: how long before it is asked again.
constexpr Duration full_for = seconds(30);

// A connection that does not get ready is of no use, also if whoever waits for that is cancelled.
struct Goodbye {
  explicit Goodbye(http::h2::ClientSession& to) noexcept : session(&to) {}
  Goodbye(const Goodbye&) = delete;
  ~Goodbye() {
    if (session != nullptr) session->goodbye();
  }
  http::h2::ClientSession* session;
};

}  // namespace

// One that is taken also where another may be opened: no other's upload holds it up, nor has it just failed,
// unless all addresses have.
bool Cluster::is_first_choice(SharedConnection& connection) noexcept {
  const Endpoint& endpoint = connection.endpoint;
  const Monotonic now = loop_.now();
  return connection.session().has_window() &&
         (endpoint.addresses.size() < 2 || !connection.health.is_bad(now) || endpoint.all_bad(now));
}

// Of one address, the first, so that no more are kept than are needed; of several the one with the fewest
// requests, each in its turn. Another than a first choice only where there will be no other.
SharedConnection* Cluster::with_room(const Endpoint& endpoint) noexcept {
  SharedConnection *best = nullptr, *last = nullptr;
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) {
    if (&c->endpoint != &endpoint || !c->session().has_room()) continue;
    if (!is_first_choice(*c)) {
      if (last == nullptr || !c->health.is_bad(loop_.now())) last = c;
    } else if (endpoint.addresses.size() < 2) {
      return c;
    } else if (best == nullptr || c->leases < best->leases) {
      best = c;
    }
  }
  if (best != nullptr) return best;
  return last == nullptr || may_open_another(endpoint) ? nullptr : last;
}

// Or one is being opened.
bool Cluster::may_open_another(const Endpoint& endpoint) noexcept {
  if (loop_.now() < endpoint.full_until) return false;
  return endpoint.opening || can_have_place(&endpoint);
}

// Of all endpoints, and of each. One over which no answer comes any more has had its place.
size_t Cluster::count_leaving() noexcept {
  for (const auto& endpoint : endpoints_) endpoint->leaving = 0;
  size_t all = 0;
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) {
    if (!c->counted || !c->is_leaving()) continue;
    if (c->leases > 0 && c->given_up == c->leases) {
      c->counted = false;
      count_out(c->endpoint);
      continue;
    }
    ++c->endpoint.leaving;
    ++all;
  }
  return all;
}

Lease* Cluster::lease(SharedConnection& connection, bool reused) {
  if (connection.leases++ == 0) {
    idle_gauge_.add(-1);
    active_gauge_.add(1);
  }
  if (connection.endpoint.addresses.size() > 1) {  // behind the others
    connection.unlink();
    shared_.push_back(connection);
  }
  auto* made = new StreamLease(*this, connection);
  made->reused = reused;
  leased_.push_back(*made);
  return made;
}

Task<Result<Lease*>> Cluster::open_stream(Slice client_ip, Endpoint& endpoint, Monotonic deadline) {
  for (bool my_turn = endpoint.waiting.empty();;) {
    SharedConnection* shared = my_turn ? with_room(endpoint) : nullptr;
    if (shared != nullptr) co_return lease(*shared, true);
    const bool may_open = my_turn && !endpoint.opening && make_room(&endpoint);
    if (!may_open) {
      const bool called = co_await wait_for_turn(endpoint.waiting, client_ip, deadline);
      my_turn = called || with_room(endpoint) != nullptr;
      if (my_turn) continue;
      if (!endpoint.opening) co_return full();
      co_return fail(Code::upstream_unreachable, "connect_timeout", endpoint.target.authority);
    }
    const Monotonic began = loop_.now();
    Result<SharedConnection*> opened = co_await open_shared(endpoint, deadline);
    if (opened && (*opened)->session().has_room()) co_return lease(**opened, false);
    // Others were quicker, or the name has moved meanwhile.
    if (opened && ((*opened)->outdated || !(*opened)->session().is_leaving())) continue;
    if (opened)
      opened = fail(Code::upstream_unreachable, "upstream_goaway", "the upstream ended a new connection");
    endpoint.full_until = loop_.now() + full_for;
    if (SharedConnection* held_up = with_room(endpoint)) co_return lease(*held_up, true);
    endpoint.full_until = Monotonic::min();
    if (loop_.now() < deadline && endpoint.addresses.size() > 1 && !endpoint.all_bad(loop_.now())) continue;
    not_opened(endpoint, opened.error(), began, deadline);
    co_return std::unexpected(std::move(opened.error()));
  }
}

// A name's addresses are as many backends: each gets a connection, as far as there are places, and is tried
// as often as a name is looked up.
void Cluster::spread(Endpoint& endpoint) {
  if (endpoint.open >= endpoint.addresses.size() || endpoint.opening) return;
  const Monotonic now = loop_.now();
  if (now >= endpoint.spread_until) {
    endpoint.spread_until = now + options_.resolve_every;
    endpoint.spreads_left = endpoint.addresses.size();
  }
  if (endpoint.spreads_left == 0 || !has_place(&endpoint)) return;
  --endpoint.spreads_left;
  if (turn_to_unconnected(endpoint)) background_.start(open_beside(endpoint));
}

bool Cluster::turn_to_unconnected(Endpoint& endpoint) noexcept {
  for (size_t tried = 0; tried < endpoint.addresses.size(); ++tried, ++endpoint.next_address) {
    const auto& [address, health] = endpoint.addresses[endpoint.next_address % endpoint.addresses.size()];
    if (health.is_bad(loop_.now())) continue;
    SharedConnection* c = shared_.front();
    while (c != nullptr && (&c->endpoint != &endpoint || c->address != address)) c = shared_.after(*c);
    if (c == nullptr) return true;
  }
  return false;
}

Task<> Cluster::open_beside(Endpoint& endpoint) {
  co_await open_shared(endpoint, loop_.now() + options_.connect_timeout, 1);
}

Task<Result<SharedConnection*>> Cluster::open_shared(Endpoint& endpoint, Monotonic deadline,
                                                     size_t addresses_max) {
  const Opening opening(*this, endpoint);
  OpenSlot slot(*this, endpoint);
  Result<Connected> connected = co_await connect(endpoint, deadline, addresses_max);
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  slot.keep();
  const net::SocketAddress address = connected->address;
  auto* made = new SharedConnection(*this, endpoint, std::move(*connected), options_.body_timeout);
  made->idle_since = loop_.now();
  shared_.push_back(*made);
  idle_gauge_.add(1);
  if (!sweeper_.armed()) sweeper_.arm_after(sweep_every);
  Goodbye unless_ready(made->session());
  Result<void> ready = co_await made->session().ready(
      net::share_of(loop_.now(), deadline, std::min(addresses_max, endpoint.good(loop_.now()))));
  if (ready && made->session().streams_max() > 0) {
    unless_ready.session = nullptr;
    co_return made;
  }
  address_failed(endpoint, address);
  if (ready)
    co_return fail(Code::upstream_unreachable, "no_streams",
                   fmt::format("{} takes no streams", endpoint.target.authority));
  co_return fail(Code::upstream_unreachable, ready.error().reason,
                 fmt::format("{}: {}", endpoint.target.authority, ready.error().detail));
}

void Cluster::give_back(StreamLease& lease) noexcept {
  SharedConnection& connection = lease.connection;
  if (lease.given_up) --connection.given_up;
  if (--connection.leases == 0) {
    idle_gauge_.add(1);
    active_gauge_.add(-1);
    connection.idle_since = loop_.now();
    if (!sweeper_.armed()) sweeper_.arm_after(sweep_every);
  }
  over_.push_back(lease);
  look_around();
}

void Cluster::close(SharedConnection& connection) noexcept {
  if (connection.counted) count_out(connection.endpoint);
  idle_gauge_.add(-1);
  delete &connection;
}

// What is over, and connections that are of no more use.
void Cluster::clear_away() noexcept {
  while (StreamLease* lease = over_.pop_front()) delete lease;
  for (SharedConnection* c = shared_.front(); c != nullptr;) {
    SharedConnection* next = shared_.after(*c);
    const bool unused = c->leases == 0 && !c->endpoint.opening;  // whose first user waits for its SETTINGS
    if (unused && c->outdated && !c->session().ended()) c->session().goodbye();
    if (c->leases > 0 && !c->counted && c->session().over()) c->let_backend_go();
    if (c->leases == 0 && c->session().over()) close(*c);
    c = next;
  }
}

// As many as there is room for.
void Cluster::tell_waiting(Endpoint& endpoint) {
  if (endpoint.waiting.empty()) return;
  const bool may_open = !endpoint.opening && can_have_place(&endpoint);
  const bool may_be_any = !may_open_another(endpoint);  // with_room()
  size_t room = may_open ? 1 : 0;
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) {
    if (&c->endpoint == &endpoint && (may_be_any || is_first_choice(*c))) room += c->session().room();
  }
  for (; room > 0; --room) {
    Turns::Waiter* next = endpoint.waiting.next();
    if (next == nullptr) return;
    next->call();
  }
}

}  // namespace sallyport::upstream
