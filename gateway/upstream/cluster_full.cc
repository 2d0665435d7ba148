// What happens when all connections of a cluster are in use: whoever keeps one waiting for a stranger gives
// way to those who can go on, and the log tells who holds what.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/base/cidr.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {
namespace {

constexpr Duration look_again_after = milliseconds(50);

// How many leases each client holds.
using Holdings = std::unordered_map<std::string, size_t>;

Holdings::value_type& holding_of(Holdings& holdings, const Lease& lease) {
  IpBytes bytes;
  const Slice client = lease.holder == nullptr ? Slice{} : caller_of(lease.holder->client_ip, bytes);
  return *holdings.try_emplace(std::string(client)).first;
}

// A lease whose exchange may be ended, and what its client holds.
struct Candidate {
  Lease* lease;
  Monotonic gives_way_at;
  const Holdings::value_type* client;
  size_t rank = 0;  // how many its client holds once those have given way that are before it
};

// Of the client that holds the most, then; of these, the exchange that has waited longest. In linear time
// but for the sorting, however many there are.
void put_in_order(std::vector<Candidate>& candidates) {
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.client != b.client ? std::less<>()(a.client, b.client) : a.gives_way_at < b.gives_way_at;
  });
  for (size_t i = 0; i < candidates.size(); ++i) {
    Candidate& one = candidates[i];
    const bool is_first = i == 0 || candidates[i - 1].client != one.client;
    one.rank = is_first ? one.client->second : candidates[i - 1].rank - 1;
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.gives_way_at < b.gives_way_at;
  });
}

// Null: of HTTP/1.1.
const SharedConnection* connection_of(const Lease& lease) noexcept {
  return lease.endpoint.target.http2 ? &static_cast<const StreamLease&>(lease).connection : nullptr;
}

}  // namespace

// To who waits for a connection to that endpoint; null: of HTTP/1.1. too_many_leave: more connections than do
// not count.
bool Cluster::is_of_use(const Lease& lease, const Endpoint* http2, bool too_many_leave) const noexcept {
  if (lease.endpoint.target.http2) {
    const auto& stream = static_cast<const StreamLease&>(lease);
    if (stream.given_up) return false;
    if (too_many_leave && stream.connection.is_leaving()) return true;
  }
  return http2 != nullptr && http2->open > http2->leaving ? &lease.endpoint == http2
                                                          : !lease.endpoint.target.http2;
}

std::unexpected<Error> Cluster::full() {
  tell_holders("upstream_connections_full", full_told_at_);
  return fail(
      Code::overloaded, "upstream_connections_full",
      fmt::format("all {} connections to upstream {} are in use", options_.connections_max, options_.name));
}

// At the end of a turn in which somebody waits.
void Cluster::make_way() {
  if (loop_.now() < make_way_at_) return;
  // Who waits for the backend now may wait for its client in a moment, and be late by then.
  Monotonic due = loop_.now() + http::Standing::slow_sender_after;
  if (!waiting_.empty()) due = std::min(due, choose_who_gives_way(nullptr, waiting_.size()));
  for (const auto& endpoint : endpoints_) {
    if (!endpoint->waiting.empty() && !endpoint->opening)
      due = std::min(due, choose_who_gives_way(endpoint.get(), endpoint->waiting.size()));
  }
  make_way_at_ = due <= loop_.now() ? due : std::max(due, loop_.now() + look_again_after);
  way_maker_.arm(std::max(due, loop_.now() + look_again_after));
  give_way();
}

// So many exchanges that have waited long for their clients are to lose what they hold, less those that were
// told just now. Gives when it is worth looking again, should nobody tell before: now, if there are more of
// them.
Monotonic Cluster::choose_who_gives_way(const Endpoint* http2, size_t wanted) {
  const Monotonic now = loop_.now();
  Monotonic due = Monotonic::max();
  Holdings holdings;
  std::vector<Candidate> candidates;
  const bool too_many_leave = count_leaving() > options_.connections_max;
  for (Lease* lease = leased_.front(); lease != nullptr; lease = leased_.after(*lease)) {
    if (!is_of_use(*lease, http2, too_many_leave)) continue;
    Holdings::value_type& client = holding_of(holdings, *lease);
    ++client.second;
    const Monotonic at = lease->requester.standing().gives_way_at;
    if (now < lease->told_to_give_way + http::Standing::slow_sender_after)
      wanted -= std::min<size_t>(wanted, 1);
    else if (at <= now)
      candidates.push_back({lease, at, &client});
    else
      due = std::min(due, at);
  }
  put_in_order(candidates);
  if (!candidates.empty() && wanted > 0) tell_holders("upstream_connection_gives_way", gives_way_told_at_);
  for (const Candidate& one : candidates) {
    if (one.lease->told_to_give_way == now) continue;
    if (wanted-- == 0) return now;
    tell_to_give_way(*one.lease);
    if (!too_many_leave) continue;
    // A connection that leaves has its place until its last answer is over.
    const auto whole = connection_of(*one.lease);
    for (const Candidate& other : candidates) {
      if (whole != nullptr && connection_of(*other.lease) == whole) tell_to_give_way(*other.lease);
    }
  }
  return due;
}

void Cluster::tell_to_give_way(Lease& lease) {
  lease.told_to_give_way = loop_.now();
  giving_way_.push_back(lease);
}

// One may end because of another while they hear of it: who has gone has left the list.
void Cluster::give_way() {
  using enum http::Standing::WaitsFor;
  if (giving_way_.empty()) return;
  while (Lease* lease = giving_way_.pop_front()) {
    leased_.push_back(*lease);
    const http::Standing standing = lease->requester.standing();
    if (standing.gives_way_at > loop_.now()) continue;
    if (standing.waits_for == content)
      lease->requester.give_up_content();  // it goes on with an error
    else
      give_up_answer(*lease);
  }
  look_around();
}

// The place of a connection is free at once, whenever its exchange hears of that.
void Cluster::give_up_answer(Lease& lease) {
  lease.requester.give_up_answer();
  if (lease.endpoint.target.http2) {
    auto& stream = static_cast<StreamLease&>(lease);
    if (!std::exchange(stream.given_up, true)) ++stream.connection.given_up;
    return;
  }
  auto& closed = static_cast<Connection&>(lease);
  closed.unlink();
  closed.abandoned = true;
  active_gauge_.add(-1);
  count_out(lease.endpoint);
}

// At most once a second for each event, because it looks at all of them.
void Cluster::tell_holders(std::string_view event, Monotonic& told_at) {
  if (loop_.now() < told_at + tell_every) return;
  told_at = loop_.now();
  std::array<size_t, 4> waiting{};
  size_t leased = 0, most = 0, used = 0;  // used: of the connections
  Slice by;
  Holdings holdings;
  for (Lease* lease = leased_.front(); lease != nullptr; lease = leased_.after(*lease)) {
    ++leased;
    used += lease->endpoint.target.http2 ? 0 : 1;
    ++waiting[static_cast<size_t>(lease->requester.standing().waits_for)];
    if (lease->holder == nullptr) continue;
    const size_t held = ++holding_of(holdings, *lease).second;
    if (held <= most) continue;
    most = held;
    by = lease->holder->client_ip;
  }
  for (Connection* c = idle_.front(); c != nullptr; c = idle_.after(*c)) ++used;
  for (SharedConnection* c = shared_.front(); c != nullptr; c = shared_.after(*c)) used += c->counted ? 1 : 0;
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
                {"most_held", fmt::format("{}", most)},
                {"opening", fmt::format("{}", open_ - used)}});
}

}  // namespace sallyport::upstream
