// What an exchange holds of an upstream: a connection of its own (HTTP/1.1), or one stream of a connection
// that others use as well (HTTP/2).
//
// All of it belongs to the cluster; one worker's thread.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "gateway/base/list.h"
#include "gateway/base/small_pool.h"
#include "gateway/core/exchange.h"
#include "gateway/http/h1_client.h"
#include "gateway/http/h2_client.h"
#include "gateway/net/connect.h"
#include "gateway/upstream/health.h"
#include "gateway/upstream/target.h"
#include "gateway/upstream/turns.h"

namespace sallyport::upstream {

class Cluster;

// One target, its addresses and how it fares.
struct Endpoint {
  Target target;
  bool named = false;  // by a name that is looked up, not by an address
  struct Address {
    net::SocketAddress at;
    Health health;  // where there are several
  };
  std::vector<Address> addresses;
  bool all_bad(Monotonic now) const noexcept {
    return std::ranges::all_of(addresses, [now](const Address& a) { return a.health.is_bad(now); });
  }
  // How many are not; 1 if all are.
  size_t good(Monotonic now) const noexcept {
    const auto is_good = [now](const Address& a) { return !a.health.is_bad(now); };
    return std::max<size_t>(static_cast<size_t>(std::ranges::count_if(addresses, is_good)), 1);
  }
  uint32_t lists = 0;                       // of addresses, each other than the one before
  Duration list_good_for{};                 // by resolve_every and its TTL
  Monotonic look_up_at = Monotonic::max();  // again, once there are addresses
  bool resolving = false;                   // again, in the background
  Monotonic resolving_since{};
  bool behind = false;     // … and so late that requests wait for it, for a moment
  bool name_lost = false;  // the last look-up has failed, and the log was told
  size_t next_address = 0;
  bool some_failed = false;  // of several addresses
  Health health;
  size_t open = 0;  // connections, also those that are being opened

  // HTTP/2
  bool opening = false;                     // a connection: one at a time, the others wait for it
  Turns waiting;                            // for a stream
  size_t leaving = 0;                       // connections that get no more requests (Cluster::count_leaving)
  Monotonic full_until = Monotonic::min();  // it has taken no other connection beside those it has
  Monotonic spread_until = Monotonic::min();  // its addresses are tried no more often (Cluster::spread)
  size_t spreads_left = 0;                    // until then
};

struct Connected {
  std::unique_ptr<net::Stream> stream;
  net::SocketAddress address;
};

class Lease : public Held, public ListNode {
 public:
  virtual const net::SocketAddress& peer() const noexcept = 0;

  http::Requester& requester;
  Endpoint& endpoint;
  bool reused = false;               // the connection has been used before
  const Exchange* holder = nullptr;  // while it is leased
  Monotonic told_to_give_way{};      // never: the clock's beginning

 protected:
  Lease(http::Requester& asks, Endpoint& to) noexcept : requester(asks), endpoint(to) {}
  ~Lease() = default;
};

// HTTP/1.1: leased to one exchange, or idle.
class Connection final : public Lease {
 public:
  Connection(Cluster& owner, Endpoint& to, Connected connected) noexcept
      : Lease(http, to),
        http(std::move(connected.stream)),
        address(std::move(connected.address)),
        cluster_(owner) {}
  void exchange_over() noexcept override;  // back to the cluster, or closed
  const net::SocketAddress& peer() const noexcept override { return address; }
  size_t bytes_held() const noexcept override { return http.bytes_held(); }

  http::h1::ClientConnection http;
  const net::SocketAddress address;
  Monotonic idle_since{};
  bool outdated = false;   // the name has this address no more: not used again
  bool abandoned = false;  // its place has been given to another

 private:
  Cluster& cluster_;
};

// HTTP/2: leased stream by stream.
class SharedConnection final : public ListNode, private http::h2::ClientSession::Owner {
 public:
  SharedConnection(Cluster& owner, Endpoint& to, Connected connected, Duration write_timeout)
      : endpoint(to),
        address(std::move(connected.address)),
        stream_(std::move(connected.stream)),
        session_(*stream_, write_timeout, *this),
        cluster_(&owner) {
    running_ = session_.run();
  }
  http::h2::ClientSession& session() noexcept { return session_; }
  // It gets no more requests, and lasts as long as those that it has.
  bool is_leaving() const noexcept { return outdated || session_.is_leaving(); }
  // Nothing moves over it any more, but whoever had an answer does not know yet: the backend is let go.
  void let_backend_go() {
    if (!std::exchange(let_go_, true)) stream_->close_output();
  }
  // The cluster is going.
  void orphan() noexcept { cluster_ = nullptr; }

  Endpoint& endpoint;
  const net::SocketAddress address;
  Health health;
  size_t leases = 0;
  size_t given_up = 0;  // of them: their answers have given way, and their clients do not know yet
  bool counted = true;  // it has a place
  Monotonic idle_since{};
  bool outdated = false;  // the name has this address no more: it ends with its last stream

 private:
  void session_changed() override;

  bool let_go_ = false;
  std::unique_ptr<net::Stream> stream_;
  http::h2::ClientSession session_;
  Cluster* cluster_;
  Task<> running_ = Task<>::ready();  // last: destroyed first
};

class StreamLease final : public Lease {
 public:
  explicit StreamLease(Cluster& owner, SharedConnection& of) noexcept
      : Lease(stream, of.endpoint),
        connection(of),
        stream(of.session(), of.endpoint.target.tls ? "https" : "http"),
        cluster_(owner) {}
  static void* operator new(size_t bytes) { return small_pool::allocate(bytes); }
  static void operator delete(void* lease, size_t bytes) noexcept { small_pool::release(lease, bytes); }
  void exchange_over() noexcept override;
  const net::SocketAddress& peer() const noexcept override { return connection.address; }

  SharedConnection& connection;
  http::h2::ClientStream stream;
  bool given_up = false;

 private:
  Cluster& cluster_;
};

}  // namespace sallyport::upstream
