// Worker: one thread with one loop: its listeners, its connections, its pools, its view of the config.
//
// Made, told and joined by the main thread; everything else happens on its own thread. Workers share nothing
// that changes but what Setup::process and Live<T> hold.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/nursery.h"
#include "gateway/base/cidr.h"
#include "gateway/core/cache.h"
#include "gateway/core/world.h"
#include "gateway/http/h1_server.h"
#include "gateway/net/listener.h"
#include "gateway/net/resolver.h"
#include "gateway/observe/metrics.h"
#include "gateway/server/client_counts.h"
#include "gateway/server/connection.h"
#include "gateway/server/listeners.h"
#include "gateway/server/relief.h"

namespace sallyport::server {

class Generation;

// What is counted of a listener, by its name.
struct ListenerCounts {
  ListenerCounts(observe::Metrics& metrics, const ListenerPlan& plan);

  observe::Gauge connections;
  observe::CounterSet refused;
  observe::Counter& gave_way;
  observe::CounterSet handshakes;
  observe::CounterSet handshake_failures;
  observe::CounterSet http2_ended;  // connections that we ended, by reason
};

// A listener as one worker has it. Connections keep it beyond its end.
struct WorkerListener {
  explicit WorkerListener(const ListenerPlan& plan) : key(plan.key()) {}

  // What the plan says from now on, its name, too; its socket stays, and whom it has let in, as long as it
  // would let them in now.
  void follow(observe::Metrics& metrics, const ListenerPlan& plan);
  // What it lets in now counts for those it has let in, too.
  void look_at_admission();
  // Accepts no more, and whom it has let in makes no further requests.
  void end() {
    socket.reset();
    ++admission;
  }
  bool ended() const noexcept { return socket == nullptr; }

  // The TLS context for a new connection, made again when a certificate or the authorities have changed; null
  // if it cannot be made.
  std::shared_ptr<net::TlsServerContext> tls_context();
  void count_handshake(Slice version, bool resumed);

  std::string name;
  std::string key;  // of its ListenerPlan
  bool redirect = false;
  uint16_t port = 0;        // of the socket; 0: a unix socket, or none yet
  uint16_t https_port = 0;  // where a redirect leads whoever came by a port; 0: where https is
  uint32_t admission = 0;   // counts up when others are let in than before
  std::string admitted_by;  // what that depends on
  std::string proxies_text;
  CidrSet proxies;  // from which a connection begins with a PROXY header
  Duration handshake_timeout{};
  std::shared_ptr<const Live<TlsMaterial>> material;
  uint64_t material_version = 0;
  std::shared_ptr<net::TlsServerContext> context;
  std::unique_ptr<ListenerCounts> counts;
  std::unique_ptr<net::Listener> socket;

 private:
  void admit_by(const TlsMaterial* tls);
};

// To those that redirect: the first listener that has TLS and a port.
void tell_where_tls_is(const std::vector<std::shared_ptr<WorkerListener>>& listeners);

class Worker {
 public:
  using Sockets = std::vector<std::pair<std::string, Fd>>;  // by the listener's key
  // One of `count`, which share the memory that requests may hold.
  Worker(size_t number, size_t count, Cache& process, observe::AccessLog* access_log);
  Worker(const Worker&) = delete;
  ~Worker();  // joined by then

  // --- main thread
  void start();
  // Takes over a config: builds its world, then accepts on the sockets (this worker's, by the listener's
  // key).
  void apply(std::shared_ptr<const Generation> generation, Sockets sockets, std::function<void()> applied);
  // Accepts no more, closes what is idle, lets the rest finish until the deadline; then the thread ends.
  void drain(Duration patience);
  // The same deadline, come now.
  void cut_drain();
  void join();
  // The authorities of clients have changed: whoever they do not vouch for has to go.
  void look_at_admission();
  observe::Metrics& metrics() noexcept { return metrics_; }
  bool drained() const noexcept { return drained_.load(std::memory_order_acquire); }
  // How long the loop has not turned at that moment, give or take beat_every. Of real time, also where tests
  // move the clock.
  Duration stood_still(std::chrono::steady_clock::time_point now) const noexcept;
  static constexpr Duration beat_every = seconds(1);

  // --- own thread
  Loop& loop() noexcept { return *loop_; }
  const std::shared_ptr<const World>& world() const noexcept { return world_; }
  const http::ServerLimits& server_limits() const noexcept { return limits_; }
  ClientCounts& clients() noexcept { return clients_; }
  // How long what is under way may take where nothing comes behind it.
  Duration drain_timeout() const noexcept { return drain_timeout_; }
  // The connection is done with; it is destroyed at the end of the turn.
  void over(Connection& connection);
  // Whether one more request may begin on an HTTP/2 connection that has so many.
  bool has_room_beside(size_t streams);
  // Requests have ended: the levels are told, and what the heap has left over goes back to the system soon.
  void look_at_memory();

 private:
  struct Reaper final : TurnEnd {
    explicit Reaper(Worker& owner) noexcept : worker(owner) {}
    void at_turn_end() override;
    Worker& worker;
  };
  void post(std::move_only_function<void()> work);
  void thread_main();
  std::shared_ptr<const World> pinned(std::shared_ptr<const World> built);
  void take_config(const std::shared_ptr<const Generation>& generation, Sockets& sockets);
  std::shared_ptr<WorkerListener> take_listener(const ListenerPlan& plan, Fd socket);
  void end_what_is_not_admitted();
  void closed_without_descriptor(WorkerListener& listener);
  void accepted(const std::shared_ptr<WorkerListener>& listener, net::AcceptedSocket socket);
  Task<> accept_proxied(std::shared_ptr<WorkerListener> listener, net::AcceptedSocket socket);
  void open(const std::shared_ptr<WorkerListener>& listener, net::AcceptedSocket socket,
            std::string client_ip);
  bool may_have_one_more(Slice client_ip, int descriptor, WorkerListener& listener);
  void look_at_places();
  void ask_for_places(size_t places);
  void begin_drain(Duration patience);
  void end();
  static void drain_over(void* self);
  static void beat(void* self);
  static void trim(void* self);

  struct MemoryLevels {
    explicit MemoryLevels(observe::Metrics& metrics);
    observe::Gauge held, kept, budget;
    observe::Counter &connections_refused, &streams_refused, &gave_way;
  };

  const size_t number_;
  const size_t count_;
  Cache& process_;
  observe::AccessLog* access_log_;
  observe::Metrics metrics_;
  MemoryLevels memory_{metrics_};
  std::thread thread_;
  std::mutex ending_;  // held to post and to end: behind its end the loop is not there any more
  std::atomic<bool> drained_{false};
  std::atomic<std::chrono::steady_clock::duration> beat_at_{};  // when the loop last turned for beat_timer_

  // own thread
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<net::Resolver> resolver_;
  Cache cache_;
  std::shared_ptr<const World> world_;
  http::ServerLimits limits_;
  Duration drain_timeout_{};
  size_t connections_max_ = 0;
  size_t per_address_max_ = 0;
  ClientCounts clients_;
  size_t connections_ = 0;
  std::vector<std::shared_ptr<WorkerListener>> listeners_;
  Nursery proxied_;  // connections whose PROXY header is being read
  List<Connection> open_;
  List<Connection> done_;
  Reaper reaper_{*this};
  Relief relief_{open_, memory_.gave_way};
  std::unique_ptr<Timer> drain_timer_;
  std::unique_ptr<Timer> beat_timer_;
  std::unique_ptr<Timer> trim_timer_;
  std::optional<Monotonic> descriptors_told_;  // when the log was told that there are none
  bool draining_ = false;
};

}  // namespace sallyport::server
