// What happens when all connections of a cluster are in use: whoever keeps one waiting for a stranger gives
// way to those who can go on, and the log tells who holds what.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/base/cidr.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {
namespace {

constexpr Duration tell_every = seconds(1);

// How many leases each client holds.
using Holdings = std::unordered_map<std::string, size_t>;

size_t& held_by_client_of(Holdings& holdings, const Lease& lease) {
  IpBytes bytes;
  const Slice client = lease.holder == nullptr ? Slice{} : caller_of(lease.holder->client_ip, bytes);
  return holdings[std::string(client)];
}

// To who waits for that endpoint.
bool is_of_use(const Lease& lease, const Endpoint& endpoint) noexcept {
  return endpoint.target.http2 ? &lease.endpoint == &endpoint : !lease.endpoint.target.http2;
}

// A lease whose exchange may be ended, and how many its client has.
struct Candidate {
  Lease* lease;
  Monotonic gives_way_at;
  const size_t* held;

  bool gives_way_before(const Candidate& other) const noexcept {
    return *held != *other.held ? *held > *other.held : gives_way_at < other.gives_way_at;
  }
};

// Of the client that holds the most; of these, the exchange that has waited longest. There is one.
Lease& first_to_give_way(List<Lease>& leased, const Endpoint& endpoint, Monotonic now) {
  Holdings holdings;
  std::vector<Candidate> candidates;
  for (Lease* lease = leased.front(); lease != nullptr; lease = leased.after(*lease)) {
    if (!is_of_use(*lease, endpoint)) continue;
    size_t& held = held_by_client_of(holdings, *lease);
    ++held;
    const Monotonic at = lease->requester.standing().gives_way_at;
    if (at <= now) candidates.push_back({lease, at, &held});
  }
  return *std::ranges::min_element(candidates, &Candidate::gives_way_before)->lease;
}

}  // namespace

std::unexpected<Error> Cluster::full() {
  tell_holders("upstream_connections_full", full_told_at_);
  return fail(
      Code::overloaded, "upstream_connections_full",
      fmt::format("all {} connections to upstream {} are in use", options_.connections_max, options_.name));
}

// One exchange that has waited long for its client loses what it holds, for one that waits. Gives when it is
// worth looking again, should nobody tell before.
Monotonic Cluster::make_way(const Endpoint& endpoint) {
  Monotonic due = Monotonic::max();
  for (Lease* lease = leased_.front(); lease != nullptr; lease = leased_.after(*lease)) {
    if (is_of_use(*lease, endpoint)) due = std::min(due, lease->requester.standing().gives_way_at);
  }
  if (due > loop_.now()) return due;
  Lease& gives_way = first_to_give_way(leased_, endpoint, loop_.now());
  tell_holders("upstream_connection_gives_way", gives_way_told_at_);
  if (gives_way.requester.standing().waits_for == http::Standing::WaitsFor::content) {
    // It goes on with an error, and not here, inside another exchange.
    giving_way_.push_back(gives_way);
    look_around();
    return loop_.now() + http::Standing::slow_sender_after;
  }
  gives_way.requester.give_up_answer();
  if (endpoint.target.http2) return loop_.now() + http::Standing::slow_reader_after;
  auto& closed = static_cast<Connection&>(gives_way);
  closed.unlink();
  closed.abandoned = true;
  active_gauge_.add(-1);
  --open_;
  look_around();
  return loop_.now() + http::Standing::slow_sender_after;
}

// At most once a second for each event, because it looks at all of them.
void Cluster::tell_holders(std::string_view event, Monotonic& told_at) {
  if (loop_.now() < told_at + tell_every) return;
  told_at = loop_.now();
  std::array<size_t, 4> waiting{};
  size_t leased = 0, most = 0;
  Slice by;
  Holdings holdings;
  for (Lease* lease = leased_.front(); lease != nullptr; lease = leased_.after(*lease)) {
    ++leased;
    ++waiting[static_cast<size_t>(lease->requester.standing().waits_for)];
    if (lease->holder == nullptr) continue;
    const size_t held = ++held_by_client_of(holdings, *lease);
    if (held <= most) continue;
    most = held;
    by = lease->holder->client_ip;
  }
  const auto count = [&](http::Standing::WaitsFor whom) {
    return fmt::format("{}", waiting[static_cast<size_t>(whom)]);
  };
  using enum http::Standing::WaitsFor;
  observe::log(observe::Level::warn, event,
               {{"upstream", options_.name},
                {"in_use", fmt::format("{}", leased)},
                {"wait_for_content", count(content)},
                {"wait_for_backend", count(backend)},
                {"wait_for_reader", count(reader)},
                {"tunnels", count(either)},
                {"without_connection", fmt::format("{}", unsaid_)},
                {"most_held_by", by},
                {"most_held", fmt::format("{}", most)}});
}

}  // namespace sallyport::upstream
