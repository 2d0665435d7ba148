// What happens when all connections of a cluster are in use: whoever keeps one waiting for a stranger gives
// way to those who can go on, and the log tells who holds what.
#include <fmt/format.h>

#include <array>
#include <unordered_map>
#include <utility>

#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {
namespace {

constexpr Duration tell_every = seconds(1);

}  // namespace

std::unexpected<Error> Cluster::full() {
  tell_holders("upstream_connections_full");
  return fail(
      Code::overloaded, "upstream_connections_full",
      fmt::format("all {} connections to upstream {} are in use", options_.connections_max, options_.name));
}

// The exchange that has waited longest for its client loses what it holds, if that is long. Gives when it is
// worth looking again, should nobody tell before: now, if there is room.
Monotonic Cluster::make_way(const Endpoint& endpoint) {
  Lease* longest = nullptr;
  http::Standing standing;
  for (Lease* lease = leased_.front(); lease != nullptr; lease = leased_.after(*lease)) {
    const bool of_use = endpoint.target.http2 ? &lease->endpoint == &endpoint : !lease->endpoint.target.http2;
    if (!of_use) continue;
    const http::Standing its = lease->requester.standing();
    if (its.gives_way_at >= standing.gives_way_at) continue;
    longest = lease;
    standing = its;
  }
  if (standing.gives_way_at > loop_.now()) return standing.gives_way_at;
  tell_holders("upstream_connection_gives_way");
  if (standing.waits_for == http::Standing::WaitsFor::content) {
    // It goes on with an error, and not here, inside another exchange.
    giving_way_.push_back(*longest);
    look_around();
    return loop_.now() + http::Standing::slow_sender_after;
  }
  longest->requester.give_up_answer();
  if (endpoint.target.http2) return loop_.now() + http::Standing::slow_reader_after;
  auto& closed = static_cast<Connection&>(*longest);
  closed.unlink();
  closed.abandoned = true;
  active_gauge_.add(-1);
  --open_;
  return loop_.now();
}

// At most once a second, because it looks at all of them.
void Cluster::tell_holders(std::string_view event) {
  if (loop_.now() < holders_told_at_ + tell_every) return;
  holders_told_at_ = loop_.now();
  std::array<size_t, 4> waiting{};
  size_t leased = 0, most = 0;
  Slice by;
  std::unordered_map<Slice, size_t> of_client;
  for (Lease* lease = leased_.front(); lease != nullptr; lease = leased_.after(*lease)) {
    ++leased;
    ++waiting[static_cast<size_t>(lease->requester.standing().waits_for)];
    if (lease->holder == nullptr) continue;
    size_t& held = of_client[lease->holder->client_ip];
    if (++held <= most) continue;
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
