// Which of a cluster's endpoints, and of an endpoint's addresses, is asked next, and what came of it.
#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {

// Round robin, past endpoints that have just failed, and to the first of those that are waited for the least;
// if all have failed, they are asked nevertheless.
Endpoint& Cluster::choose() {
  const size_t count = endpoints_.size();
  if (count == 1) return *endpoints_.front();
  std::optional<size_t> good;
  Wait least{};
  for (size_t at = turn_; at < turn_ + count && !(good && least == Wait::none); ++at) {
    Endpoint& endpoint = *endpoints_[at % count];
    if (endpoint.health.is_bad(loop_.now())) continue;
    const Wait wait = wait_for(endpoint);
    if (good && wait >= least) continue;
    good = at;
    least = wait;
  }
  const size_t chosen = good.value_or(turn_);
  turn_ = chosen + 1;
  return *endpoints_[chosen % count];
}

Cluster::Wait Cluster::wait_for(const Endpoint& endpoint) noexcept {
  if (!endpoint.target.http2)
    return waiting_.empty() && can_have_place(nullptr) ? Wait::none : Wait::for_others;
  if (endpoint.waiting.empty() && with_room(endpoint) != nullptr) return Wait::none;
  if (endpoint.opening) return Wait::for_connection;
  return endpoint.waiting.empty() && can_have_place(&endpoint) ? Wait::none : Wait::for_others;
}

// The next in turn that has not just failed; the next, if all have.
Endpoint::Address& Cluster::next_good(Endpoint& endpoint) {
  const size_t count = endpoint.addresses.size();
  for (size_t passed = 0; passed < count; ++passed) {
    Endpoint::Address& address = endpoint.addresses[(endpoint.next_address + passed) % count];
    if (address.health.is_bad(loop_.now())) continue;
    endpoint.next_address += passed;
    return address;
  }
  return endpoint.addresses[endpoint.next_address % count];
}

// From the next one on; those that have just failed come last. Of this request alone: others who connect
// meanwhile have turns of their own.
std::vector<net::SocketAddress> Cluster::addresses_in_turn(Endpoint& endpoint) {
  const size_t count = endpoint.addresses.size(), first = endpoint.next_address++;
  std::vector<net::SocketAddress> good, bad;
  for (size_t i = first; i < first + count; ++i) {
    const Endpoint::Address& address = endpoint.addresses[i % count];
    (address.health.is_bad(loop_.now()) ? bad : good).push_back(address.at);
  }
  std::ranges::move(bad, std::back_inserter(good));
  return good;
}

// True if others of the endpoint are good.
bool Cluster::address_failed(Endpoint& endpoint, const net::SocketAddress& at) {
  if (endpoint.addresses.size() < 2) return false;
  const auto failed = std::ranges::find(endpoint.addresses, at, &Endpoint::Address::at);
  if (failed != endpoint.addresses.end()) failed->health.fail(loop_.now());
  endpoint.some_failed = true;
  return !endpoint.all_bad(loop_.now());
}

void Cluster::address_recovered(Endpoint& endpoint, const net::SocketAddress& at) {
  endpoint.some_failed = false;
  for (Endpoint::Address& address : endpoint.addresses) {
    if (address.at == at) address.health.recover();
    endpoint.some_failed = endpoint.some_failed || address.health.has_failed();
  }
}

void Cluster::succeeded(Lease& lease, Duration took) {
  Endpoint& endpoint = lease.endpoint;
  if (endpoint.health.has_failed()) {
    observe::log(observe::Level::info, "upstream_recovered",
                 {{"upstream", options_.name}, {"target", endpoint.target.authority}});
  }
  endpoint.health.recover();
  if (endpoint.target.http2) static_cast<StreamLease&>(lease).connection.health.recover();
  if (endpoint.some_failed) address_recovered(endpoint, lease.peer());
  outcomes_.add("success");
  duration_.observe(took);
}

void Cluster::failed(Lease& lease, const Error& error) {
  Endpoint& endpoint = lease.endpoint;
  const bool others_are_good = address_failed(endpoint, lease.peer());
  if (endpoint.target.http2) {
    SharedConnection& connection = static_cast<StreamLease&>(lease).connection;
    connection.health.fail(loop_.now());
    // It gives its place to one to another address.
    if (others_are_good && !can_have_place(&endpoint)) connection.session().retire();
  }
  if (others_are_good)
    count(error);
  else
    failed(endpoint, error);
}

void Cluster::failed(Endpoint& endpoint, const Error& error) {
  count(error);
  if (!endpoint.health.has_failed()) {
    observe::log(observe::Level::warn, "upstream_failed",
                 {{"upstream", options_.name},
                  {"target", endpoint.target.authority},
                  {"reason", error.reason},
                  {"detail", error.detail}});
  }
  endpoint.health.fail(loop_.now());
}

// Who has waited for its turn may have left the endpoint no time, which tells nothing of it.
void Cluster::not_opened(Endpoint& endpoint, const Error& error, Monotonic began, Monotonic deadline) {
  const bool hurried = loop_.now() >= deadline && loop_.now() - began < options_.connect_timeout / 2;
  if (!hurried) failed(endpoint, error);
}

void Cluster::answer_broken(const Error& error) {
  outcomes_.add("answer_broken");
  if (loop_.now() < broken_told_at_ + tell_every) return;
  broken_told_at_ = loop_.now();
  observe::log(observe::Level::warn, "upstream_answer_broken",
               {{"upstream", options_.name}, {"reason", error.reason}, {"detail", error.detail}});
}

}  // namespace sallyport::upstream
