// The names of a cluster's targets: looked up again in the background while they are asked for, and what is
// connected to an address that a name has no more is left.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {
namespace {

constexpr Duration ttl_least = seconds(1);  // a name whose answer lasts for less is not looked up more often
// For the look-up of a name that nobody has asked for in a long time. Beyond that a silent DNS server costs
// nothing.
constexpr Duration patience = milliseconds(250);

// Adds the addresses of a family that nobody has answered for.
void keep_unanswered(const std::vector<Endpoint::Address>& before, net::Resolved& found) {
  const auto is_v6 = [](const net::SocketAddress& address) { return address.host.contains(':'); };
  const bool answered_v6 = is_v6(found.addresses.front());
  for (const Endpoint::Address& address : before) {
    if (is_v6(address.at) != answered_v6) found.addresses.push_back(address.at);
  }
}

bool has(const Endpoint& endpoint, const net::SocketAddress& address) {
  return std::ranges::find(endpoint.addresses, address, &Endpoint::Address::at) != endpoint.addresses.end();
}

}  // namespace

// Behind is a list that nobody has asked for in twice the time that it was good for: it may be of hours ago.
bool Cluster::look_up(Endpoint& endpoint) {
  const Monotonic now = loop_.now();
  if (!endpoint.resolving && now >= endpoint.look_up_at) {
    endpoint.behind = now >= endpoint.look_up_at + endpoint.list_good_for;
    endpoint.list_good_for = options_.resolve_every;
    endpoint.look_up_at = now + options_.resolve_every;
    endpoint.resolving_since = now;
    endpoint.resolving = true;
    background_.start(resolve_again(endpoint));
  }
  endpoint.behind = endpoint.behind && endpoint.resolving && now < behind_until(endpoint);
  return endpoint.behind;
}

// There must be time left to connect.
Monotonic Cluster::behind_until(const Endpoint& endpoint) const {
  return endpoint.resolving_since + std::min(patience, options_.connect_timeout / 2);
}

// In the background, while the known addresses stay in use; a failure keeps them.
Task<> Cluster::resolve_again(Endpoint& endpoint) {
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

// Waits for the look-up under way: the resolver tells all who ask for a name the same.
Task<> Cluster::catch_up(Endpoint& endpoint, Monotonic deadline) {
  auto found = co_await resolver_.resolve(endpoint.target.host, endpoint.target.port, deadline);
  if (found) take_addresses(endpoint, std::move(*found));
}

void Cluster::take_addresses(Endpoint& endpoint, net::Resolved found) {
  endpoint.list_good_for = std::min(options_.resolve_every, std::max(found.good_for, ttl_least));
  if (endpoint.named) endpoint.look_up_at = loop_.now() + endpoint.list_good_for;
  if (!found.whole) keep_unanswered(endpoint.addresses, found);
  if (std::ranges::equal(endpoint.addresses, found.addresses, {}, &Endpoint::Address::at)) return;
  std::vector<Endpoint::Address> addresses;
  for (net::SocketAddress& at : found.addresses) {
    const auto known = std::ranges::find(endpoint.addresses, at, &Endpoint::Address::at);
    addresses.push_back({at, known == endpoint.addresses.end() ? Health() : known->health});
  }
  endpoint.addresses = std::move(addresses);
  ++endpoint.lists;
  endpoint.spread_until = Monotonic::min();
  leave_old_addresses(endpoint);
}

// Who is unused goes now, who is in use afterwards.
void Cluster::leave_old_addresses(const Endpoint& endpoint) {
  for (Connection* c = idle_.front(); c != nullptr;) {
    Connection* next = idle_.after(*c);
    if (&c->endpoint == &endpoint && !has(endpoint, c->address)) {
      c->unlink();
      idle_gauge_.add(-1);
      close(*c);
    }
    c = next;
  }
  for (List<Lease>* leases : {&leased_, &giving_way_}) {
    for (Lease* lease = leases->front(); lease != nullptr; lease = leases->after(*lease)) {
      if (&lease->endpoint != &endpoint || endpoint.target.http2) continue;
      auto& connection = static_cast<Connection&>(*lease);
      connection.outdated = !has(endpoint, connection.address);
    }
  }
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) {
    if (&c->endpoint != &endpoint || c->outdated || has(endpoint, c->address)) continue;
    c->outdated = true;
    c->session().retire();
  }
  look_around();
}

Task<Result<void>> Cluster::have_addresses(Endpoint& endpoint, Monotonic deadline) {
  if (!endpoint.addresses.empty()) co_return Result<void>{};
  // A cluster that a reload has made begins with what the one before knew.
  auto known = resolver_.last_known(endpoint.target.host, endpoint.target.port);
  const auto take_known = [&] {
    take_addresses(endpoint, std::move(known->found));
    endpoint.look_up_at = loop_.now();
  };
  if (known && loop_.now() <= known->at + 2 * options_.resolve_every) {
    take_known();
    co_return Result<void>{};
  }
  if (known) deadline = std::min(deadline, loop_.now() + std::min(patience, options_.connect_timeout / 2));
  auto found = co_await resolver_.resolve(endpoint.target.host, endpoint.target.port, deadline);
  if (!found && known && found.error().code != Code::name_not_resolved) {
    take_known();
    co_return Result<void>{};
  }
  if (!found) {
    co_return fail(Code::upstream_unreachable, found.error().reason,
                   fmt::format("{}: {}", endpoint.target.host, found.error().detail));
  }
  take_addresses(endpoint, std::move(*found));
  co_return Result<void>{};
}

// With the addresses of before and, if these have failed, with those that a look-up finds meanwhile. One that
// has been silent for as long as a connection may take is not waited for.
Task<Result<Connected>> Cluster::connect(Endpoint& endpoint, Monotonic deadline, size_t addresses_max) {
  Result<void> resolved = co_await have_addresses(endpoint, deadline);
  if (!resolved) co_return std::unexpected(std::move(resolved.error()));
  for (;;) {
    const uint32_t list = endpoint.lists;
    Result<Connected> connected = co_await connect_to_one(endpoint, deadline, addresses_max);
    if (connected ? has(endpoint, connected->address) : loop_.now() >= deadline) co_return connected;
    if (endpoint.resolving && endpoint.lists == list) {
      const Monotonic until = std::min(deadline, endpoint.resolving_since + options_.connect_timeout);
      if (loop_.now() < until) co_await catch_up(endpoint, until);
    }
    if (endpoint.lists == list) co_return connected;
  }
}

Task<Result<Connected>> Cluster::connect_to_one(Endpoint& endpoint, Monotonic deadline,
                                                size_t addresses_max) {
  net::TlsOptions tls;
  if (endpoint.target.tls) {
    tls.context = options_.tls;
    tls.server_name = options_.server_name.empty() ? endpoint.target.host : options_.server_name;
    tls.http2 = endpoint.target.http2;
  }
  std::vector<net::SocketAddress> addresses = addresses_in_turn(endpoint);
  addresses.resize(std::min(addresses_max, addresses.size()));
  for (size_t left = addresses.size();; --left) {
    net::SocketAddress& address = addresses[addresses.size() - left];
    const Monotonic until = net::share_of(loop_.now(), deadline, left);
    Result<std::unique_ptr<net::Stream>> stream = co_await net::connect(loop_, address, tls, until);
    if (stream) co_return Connected{std::move(*stream), std::move(address)};
    const Error& e = stream.error();
    address_failed(endpoint, address);
    const bool next = e.code == Code::connection_refused || e.code == Code::io || e.code == Code::timed_out;
    if (next && left > 1 && loop_.now() < deadline) continue;
    const std::string_view reason = e.code == Code::timed_out    ? "connect_timeout"
                                    : e.code == Code::tls_failed ? "upstream_tls_failed"
                                                                 : "connect_failed";
    co_return fail(
        Code::upstream_unreachable, reason,
        fmt::format("{} ({}): {} {}", endpoint.target.authority, address.host, e.reason, e.detail));
  }
}

}  // namespace sallyport::upstream
