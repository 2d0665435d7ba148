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
#include "gateway/net/resolver.h"
#include "gateway/observe/metrics.h"
#include "gateway/upstream/connection.h"

namespace sallyport::upstream {

struct ClusterOptions {
  std::string name;
  std::vector<Target> targets;
  Duration connect_timeout = seconds(1);  // name, TCP and TLS together
  Duration response_timeout = seconds(15);
  Duration body_timeout = seconds(30);
  Duration idle_timeout = seconds(60);
  Duration resolve_every = seconds(30);
  // Open ones, of this worker. Each HTTP/2 target can have one, and those of HTTP/1.1 one together, whoever
  // holds the others, where it is not less than that. Those of HTTP/2 that get no more requests, and end with
  // those that they have, do not count, up to as many again.
  size_t connections_max = 1024;
  std::shared_ptr<const net::TlsClientContext> tls;  // for https and h2 targets
  std::string server_name;                           // for TLS; empty: the target's host
};

class Cluster final : public std::enable_shared_from_this<Cluster>, private TurnEnd {
 public:
  Cluster(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics, ClusterOptions options);
  ~Cluster();

  const ClusterOptions& options() const noexcept { return options_; }
  // A connection to the endpoint whose turn it is: an idle one, else a new one; waits for room if
  // connections_max are open, and for a name that nobody has looked up for long. With HTTP/2, a stream of one
  // that has room. Where others wait already, this client waits for its turn (turns.h): client_ip, which the
  // caller keeps. The caller holds it (Exchange::hold). fresh: not an idle one. latest: for
  // it to be there. Errors: upstream_unreachable,
  // overloaded.
  Task<Result<Lease*>> acquire(Slice client_ip, bool fresh, Monotonic latest = Monotonic::max());

  // True if some of the targets speak HTTP/2.
  bool has_http2() const noexcept { return has_http2_; }
  // Counts an exchange that has no connection yet because its client has not sent anything for it.
  class Unsaid {
   public:
    explicit Unsaid(Cluster& cluster) noexcept : cluster_(cluster) { ++cluster.unsaid_; }
    Unsaid(const Unsaid&) = delete;
    ~Unsaid() { --cluster_.unsaid_; }

   private:
    Cluster& cluster_;
  };

  // What came of a request, for the choice of endpoints and for the counters.
  void succeeded(Lease& lease, Duration took);
  void failed(Lease& lease, const Error& error);
  // One that got no answer, and was no failure of its endpoint.
  void count(const Error& error) { outcomes_.add(error.reason); }
  // An answer whose head has come, and has been counted as a success, has not come to its end.
  void answer_broken(const Error& error);

 private:
  friend class Connection;
  friend class SharedConnection;
  friend class StreamLease;

  static constexpr Duration sweep_every = seconds(1);
  static constexpr Duration tell_every = seconds(1);  // what may come in floods
  // Counts a connection that is being opened; the others hear of it if none comes of it, also if the task is
  // cancelled.
  struct OpenSlot {
    OpenSlot(Cluster& cluster, Endpoint& endpoint) noexcept : cluster_(&cluster), endpoint_(endpoint) {
      ++cluster.open_;
      ++endpoint.open;
    }
    OpenSlot(const OpenSlot&) = delete;
    ~OpenSlot() {
      if (cluster_ == nullptr) return;
      cluster_->count_out(endpoint_);
      cluster_->look_around();
    }
    void keep() noexcept { cluster_ = nullptr; }

   private:
    Cluster* cluster_;
    Endpoint& endpoint_;
  };
  struct Opening;
  // What a request is to wait for before it has a connection to an endpoint, the longest last; a connection
  // that it opens itself is none.
  enum class Wait : uint8_t { none, for_connection, for_others };

  Endpoint& choose();
  Task<bool> wait_for_turn(Turns& turns, Slice client_ip, Monotonic deadline);
  std::unexpected<Error> full();
  void make_way();
  Monotonic choose_who_gives_way(const Endpoint* http2, size_t wanted);
  void tell_to_give_way(Lease& lease);
  void give_way();
  void give_up_answer(Lease& lease);
  void tell_holders(std::string_view event, Monotonic& told_at);
  // To who waits for a connection to that endpoint; null: for one of HTTP/1.1.
  bool is_of_use(const Lease& lease, const Endpoint* http2, bool too_many_leave) const noexcept;
  bool has_place(const Endpoint* http2, size_t without_http1 = 0) noexcept;
  size_t count_leaving() noexcept;
  Wait wait_for(const Endpoint& endpoint) noexcept;
  Endpoint::Address& next_good(Endpoint& endpoint);
  std::vector<net::SocketAddress> addresses_in_turn(Endpoint& endpoint);
  bool address_failed(Endpoint& endpoint, const net::SocketAddress& at);
  void address_recovered(Endpoint& endpoint, const net::SocketAddress& at);
  void failed(Endpoint& endpoint, const Error& error);
  bool can_have_place(const Endpoint* http2) noexcept;
  bool make_room(const Endpoint* http2) noexcept;
  void count_out(Endpoint& endpoint) noexcept;
  void let_shared_go() noexcept;
  Task<Result<Lease*>> acquire_late(Slice client_ip, Endpoint& endpoint, bool fresh, Monotonic deadline);
  Lease* kept_one(Endpoint& endpoint, bool fresh);
  Task<Result<Lease*>> acquire_new(Slice client_ip, Endpoint& endpoint, Monotonic deadline);

  // Names
  // Starts the look-up that is due. True if requests are to wait for it.
  bool keep_up(Endpoint& endpoint) {
    if (!endpoint.behind && loop_.now() < endpoint.look_up_at) return false;
    return look_up(endpoint);
  }
  bool look_up(Endpoint& endpoint);
  Monotonic behind_until(const Endpoint& endpoint) const;
  Task<> resolve_again(Endpoint& endpoint);
  Task<> catch_up(Endpoint& endpoint, Monotonic deadline);
  void take_addresses(Endpoint& endpoint, net::Resolved found);
  void leave_old_addresses(const Endpoint& endpoint);
  Task<Result<void>> have_addresses(Endpoint& endpoint, Monotonic deadline);
  static constexpr size_t every = SIZE_MAX;  // addresses_max: of those that are tried
  Task<Result<Connected>> connect(Endpoint& endpoint, Monotonic deadline, size_t addresses_max = every);
  Task<Result<Connected>> connect_to_one(Endpoint& endpoint, Monotonic deadline, size_t addresses_max);

  // HTTP/1.1
  Connection* idle_connection(Endpoint& endpoint);
  Task<Result<Lease*>> open(Slice client_ip, Endpoint& endpoint, Monotonic deadline);
  void not_opened(Endpoint& endpoint, const Error& error, Monotonic began, Monotonic deadline);
  Task<Result<Lease*>> open_in(Endpoint& endpoint, Monotonic deadline);
  void give_back(Connection& connection) noexcept;
  void close(Connection& connection) noexcept;

  // HTTP/2
  SharedConnection* with_room(const Endpoint& endpoint) noexcept;
  bool is_first_choice(SharedConnection& connection) noexcept;
  bool may_open_another(const Endpoint& endpoint) noexcept;
  Lease* lease(SharedConnection& connection, bool reused);
  Task<Result<Lease*>> open_stream(Slice client_ip, Endpoint& endpoint, Monotonic deadline);
  Task<Result<SharedConnection*>> open_shared(Endpoint& endpoint, Monotonic deadline,
                                              size_t addresses_max = every);
  void spread(Endpoint& endpoint);
  bool turn_to_unconnected(Endpoint& endpoint) noexcept;
  Task<> open_beside(Endpoint& endpoint);
  void give_back(StreamLease& lease) noexcept;
  void close(SharedConnection& connection) noexcept;
  void clear_away() noexcept;
  void tell_waiting(Endpoint& endpoint);

  void look_around() noexcept { loop_.before_wait(*this); }
  void at_turn_end() override;
  static void sweep(void* self);

  Loop& loop_;
  net::Resolver& resolver_;
  ClusterOptions options_;
  const bool keeps_firsts_;  // has_place()
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  bool has_http2_ = false;
  size_t turn_ = 0;
  size_t open_ = 0;        // leased, idle and being opened
  List<Connection> idle_;  // the longest idle first
  List<Lease> leased_;
  List<Lease> giving_way_;   // are about to hear of it
  Monotonic make_way_at_{};  // not sooner
  size_t unsaid_ = 0;
  Monotonic broken_told_at_{};
  Monotonic full_told_at_{};  // tell_holders()
  Monotonic gives_way_told_at_{};
  Turns waiting_;  // for a connection of HTTP/1.1
  List<SharedConnection> shared_;
  List<StreamLease> over_;  // end with the turn
  Timer sweeper_;
  Timer way_maker_;     // while somebody waits
  Nursery background_;  // what no request waits for
  observe::Gauge idle_gauge_;
  observe::Gauge active_gauge_;
  observe::Histogram& duration_;
  observe::CounterSet outcomes_;
};

}  // namespace sallyport::upstream
