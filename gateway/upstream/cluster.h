// Cluster: the endpoints of one upstream, which of them is asked next, and the connections to them that are
// kept.
//
// One a worker and upstream; shared by the routes that forward to it, across reloads that do not change it.
// One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/async/nursery.h"
#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/base/list.h"
#include "gateway/core/exchange.h"
#include "gateway/http/h1_client.h"
#include "gateway/net/connect.h"
#include "gateway/observe/metrics.h"
#include "gateway/upstream/target.h"

namespace sallyport::upstream {

struct ClusterOptions {
  std::string name;
  std::vector<Target> targets;
  Duration connect_timeout = seconds(1);  // name, TCP and TLS together
  Duration response_timeout = seconds(15);
  Duration body_timeout = seconds(30);
  Duration idle_timeout = seconds(60);
  Duration resolve_every = seconds(30);
  size_t connections_max = 256;                      // open ones, of this worker
  std::shared_ptr<const net::TlsClientContext> tls;  // for https targets
  std::string server_name;                           // for TLS; empty: the target's host
};

class Cluster;

// One target, its addresses and how it fares.
struct Endpoint {
  Target target;
  std::vector<net::SocketAddress> addresses;
  Monotonic resolved_at = Monotonic::min();
  bool resolving = false;
  size_t next_address = 0;
  uint32_t failures = 0;                    // in a row
  Monotonic skip_until = Monotonic::min();  // after failures: others are asked first
};

// A connection that belongs to a cluster: leased to one exchange, or idle.
class Connection final : public Held, public ListNode {
 public:
  Connection(Cluster& owner, Endpoint& to, std::unique_ptr<net::Stream> stream) noexcept
      : http(std::move(stream)), endpoint(to), cluster_(owner) {}
  void exchange_over() noexcept override;  // back to the cluster, or closed

  http::h1::ClientConnection http;
  Endpoint& endpoint;
  bool reused = false;
  Monotonic idle_since{};

 private:
  Cluster& cluster_;
};

class Cluster final : private TurnEnd {
 public:
  Cluster(Loop& loop, observe::Metrics& metrics, ClusterOptions options);
  ~Cluster();

  const ClusterOptions& options() const noexcept { return options_; }
  // A connection to the endpoint whose turn it is: an idle one, else a new one; waits for room if
  // connections_max are open. The caller holds it (Exchange::hold). fresh: not an idle one. Errors:
  // upstream_unreachable, overloaded.
  Task<Result<Connection*>> acquire(bool fresh);

  // What came of a request, for the choice of endpoints and for the counters.
  void succeeded(Endpoint& endpoint, Duration took) noexcept;
  void failed(Endpoint& endpoint, const Error& error);

 private:
  friend class Connection;
  struct WaitsForRoom : ListNode {
    WaitsForRoom(Loop& loop, Monotonic deadline) noexcept : room(loop, deadline) {}
    WaitUntil room;
  };

  Endpoint& choose();
  Connection* idle_connection(Endpoint& endpoint);
  Task<Result<Connection*>> open(Endpoint& endpoint);
  Task<Result<Connection*>> open_in(Endpoint& endpoint, Monotonic deadline);
  Task<Result<void>> wait_for_room(Monotonic deadline);
  Task<Result<void>> have_addresses(Endpoint& endpoint, Monotonic deadline);
  Task<> resolve_again(Endpoint& endpoint);
  void give_back(Connection& connection) noexcept;
  void close(Connection& connection) noexcept;
  void room_again() noexcept;
  void at_turn_end() override;
  static void sweep(void* self);

  Loop& loop_;
  ClusterOptions options_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  size_t turn_ = 0;
  size_t open_ = 0;        // leased, idle and being opened
  List<Connection> idle_;  // the longest idle first
  List<WaitsForRoom> waiting_;
  Timer sweeper_;
  Nursery resolving_;
  observe::Gauge& idle_gauge_;
  observe::Gauge& active_gauge_;
  observe::Histogram& duration_;
  observe::CounterSet outcomes_;
};

}  // namespace sallyport::upstream
