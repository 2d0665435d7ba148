#include "gateway/server/worker.h"

#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <latch>
#include <utility>

#include "gateway/async/timer.h"
#include "gateway/net/proxy_header.h"
#include "gateway/net/tcp.h"
#include "gateway/net/tls_stream.h"
#include "gateway/observe/log.h"
#include "gateway/server/generation.h"
#include "gateway/server/memory_limit.h"

namespace sallyport::server {
namespace {

constexpr size_t streams_under_pressure = 2;  // of one HTTP/2 connection
constexpr size_t share_kept_free = 64;        // of the places for connections
// How many of those places are not free that are to be, so that a newcomer finds one beside many who ask for
// nothing.
size_t places_short(size_t places, size_t taken) noexcept {
  const size_t kept = std::max<size_t>(places / share_kept_free, 1);
  const size_t free = places - std::min(places, taken);
  return kept - std::min(kept, free);
}
constexpr Duration told_again_after = std::chrono::minutes(1);
constexpr Duration trim_after = seconds(1);  // a flood that comes again within it finds its memory

}  // namespace

Worker::MemoryLevels::MemoryLevels(observe::Metrics& metrics)
    : held(metrics.gauge("sallyport_memory_bytes", {{"kind", "held"}})),
      kept(metrics.gauge("sallyport_memory_bytes", {{"kind", "kept"}})),
      budget(metrics.gauge("sallyport_memory_bytes", {{"kind", "budget"}})),
      connections_refused(metrics.counter("sallyport_memory_refusals_total", {{"what", "connection"}})),
      streams_refused(metrics.counter("sallyport_memory_refusals_total", {{"what", "stream"}})),
      gave_way(metrics.counter("sallyport_memory_refusals_total", {{"what", "gave_way"}})) {}

Worker::Worker(size_t number, size_t count, Cache& process, observe::AccessLog* access_log)
    : number_(number),
      count_(count),
      process_(process),
      access_log_(access_log),
      beat_at_(std::chrono::steady_clock::now().time_since_epoch()) {}

Worker::~Worker() = default;

Duration Worker::stood_still(std::chrono::steady_clock::time_point now) const noexcept {
  return now.time_since_epoch() - beat_at_.load(std::memory_order_relaxed);
}

void Worker::beat(void* self) {
  auto& worker = *static_cast<Worker*>(self);
  worker.beat_at_.store(std::chrono::steady_clock::now().time_since_epoch(), std::memory_order_relaxed);
  worker.beat_timer_->arm_after(beat_every);
  worker.look_at_memory();
  worker.look_at_places();
}

void Worker::start() {
  malloc_trim(0);  // sets itself up, where another malloc is in use (sanitizers): not for two threads at once
  std::latch ready(1);
  thread_ = std::thread([this, &ready] {
    pthread_setname_np(pthread_self(), fmt::format("worker {}", number_).c_str());
    loop_ = std::make_unique<Loop>();
    resolver_ = std::make_unique<net::Resolver>(*loop_);
    ready.count_down();
    thread_main();
  });
  ready.wait();
}

void Worker::thread_main() {
  beat_timer_ = std::make_unique<Timer>(*loop_, &Worker::beat, this);
  beat(this);
  loop_->run();
  beat_timer_.reset();
  drain_timer_.reset();
  trim_timer_.reset();
  proxied_.cancel_all();
  world_.reset();
  cache_.clear();
  resolver_.reset();
  loop_.reset();
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

// For the main thread; dropped if the worker has drained.
void Worker::post(std::move_only_function<void()> work) {
  const std::lock_guard lock(ending_);
  if (!drained()) loop_->post(std::move(work));
}

void Worker::apply(std::shared_ptr<const Generation> generation, Sockets sockets,
                   std::function<void()> applied) {
  post([this, generation = std::move(generation), sockets = std::move(sockets),
        applied = std::move(applied)]() mutable {
    take_config(generation, sockets);
    generation.reset();
    applied();
  });
}

// With the last request in it goes what only that world has used: a pool, its gauges, what it trusts.
std::shared_ptr<const World> Worker::pinned(std::shared_ptr<const World> built) {
  const World* bare = built.get();
  return {bare, [this, keep = std::move(built)](const World*) mutable {
            keep.reset();
            loop_->post([this] { cache_.drop_unused(); });
          }};
}

void Worker::take_config(const std::shared_ptr<const Generation>& generation, Sockets& sockets) {
  resolver_->use(generation->resolver_options());
  world_ =
      pinned(build_world(generation, {number_, *loop_, *resolver_, process_, cache_, metrics_, access_log_}));
  const config::Model& model = generation->model();
  limits_ = generation->server_limits();
  drain_timeout_ = model.shutdown.drain_timeout;
  connections_max_ = model.http.connections;
  per_address_max_ = model.http.connections_per_address;
  const size_t memory = model.http.memory.count;
  loop_->blocks().set_budget((memory != 0 ? memory : memory_limit() / 2) / count_);
  memory_.budget.set(static_cast<int64_t>(loop_->blocks().budget()));
  look_at_memory();

  std::vector<std::shared_ptr<WorkerListener>> kept;
  for (const ListenerPlan& plan : generation->listeners()) {
    auto given = std::ranges::find(sockets, plan.key(), &Sockets::value_type::first);
    kept.push_back(take_listener(plan, given == sockets.end() ? Fd() : std::move(given->second)));
  }
  for (const auto& old : listeners_) {  // not in the config any more
    if (std::ranges::find(kept, old) == kept.end()) old->end();
  }
  listeners_ = std::move(kept);
  tell_where_tls_is(listeners_);
  end_what_is_not_admitted();
}

// A listener is its address, whatever it is called: who waits in its backlog, or has come in, stays with it.
std::shared_ptr<WorkerListener> Worker::take_listener(const ListenerPlan& plan, Fd socket) {
  const auto old = std::ranges::find(listeners_, plan.key(), &WorkerListener::key);
  auto listener = old != listeners_.end() ? *old : std::make_shared<WorkerListener>(plan);
  listener->follow(metrics_, plan);
  if (socket && listener->socket) listener->socket->accept_waiting();  // its file is gone, not who came by it
  if (socket) listener->port = net::bound_port(socket.get());
  if (socket)
    listener->socket =
        std::make_unique<net::Listener>(*loop_, std::move(socket), net::descriptors_for_clients());
  if (listener->socket) {
    const std::weak_ptr<WorkerListener> weak = listener;
    listener->socket->on_accept(
        [this, weak](net::AcceptedSocket accepted_socket) {
          if (const auto to = weak.lock()) accepted(to, std::move(accepted_socket));
        },
        [this, weak] {
          if (const auto to = weak.lock()) closed_without_descriptor(*to);
        });
  }
  return listener;
}

void Worker::look_at_admission() {
  post([this] {
    for (const auto& listener : listeners_) listener->look_at_admission();
    end_what_is_not_admitted();
  });
}

// What is under way is answered; there is nothing behind it.
void Worker::end_what_is_not_admitted() {
  for (Connection* c = open_.front(); c != nullptr;) {
    Connection* next = open_.after(*c);
    if (!c->is_admitted()) c->drain();
    c = next;
  }
}

void Worker::closed_without_descriptor(WorkerListener& listener) {
  listener.counts->refused.add("descriptors");
  const size_t places = std::min<size_t>(connections_max_, net::descriptors_for_clients());
  ask_for_places(places_short(places, places));
  const Monotonic now = loop_->now();
  if (descriptors_told_ && now < *descriptors_told_ + told_again_after) return;
  descriptors_told_ = now;
  observe::log(observe::Level::warn, "out_of_descriptors",
               {{"listener", listener.name},
                {"detail",
                 "new connections are closed at once: raise the limit of open files (ulimit -n, "
                 "LimitNOFILE), or lower http.connections"}});
}

void Worker::accepted(const std::shared_ptr<WorkerListener>& listener, net::AcceptedSocket socket) {
  // Closed at once, before a handshake costs anything.
  if (connections_ + proxied_.size() >= connections_max_) {
    listener->counts->refused.add("connections");
    look_at_places();
    return;
  }
  if (loop_->blocks().is_overdrawn()) {
    memory_.connections_refused.add();
    observe::log(observe::Level::warn, "connections_refused",
                 {{"listener", listener->name},
                  {"reason", memory_full().error().reason},
                  {"detail", "no memory is left for more connections: raise http.memory"}},
                 1);
    relief_.ask(*loop_);
    return;
  }
  std::string peer = socket.peer();
  if (listener->proxies.contains(peer)) {
    proxied_.start(accept_proxied(listener, std::move(socket)));
  } else {
    open(listener, std::move(socket), std::move(peer));
  }
}

Task<> Worker::accept_proxied(std::shared_ptr<WorkerListener> listener, net::AcceptedSocket socket) {
  const Duration patience =
      listener->material != nullptr ? listener->handshake_timeout : limits_.header_timeout;
  const Monotonic deadline = loop_->now() + patience;
  const Charge held(loop_->blocks(), Connection::objects_bytes);
  Result<std::string> client = co_await net::read_proxy_header(*loop_, socket.socket(), deadline);
  if (!client) {
    observe::log(observe::Level::warn, "proxy_header_refused",
                 {{"listener", listener->name}, {"from", socket.peer()}, {"reason", client.error().reason}});
    loop_->before_wait(reaper_);
    co_return;
  }
  std::string ip = client->empty() ? socket.peer() : std::move(*client);
  open(listener, std::move(socket), std::move(ip));
}

void Worker::open(const std::shared_ptr<WorkerListener>& listener, net::AcceptedSocket socket,
                  std::string client_ip) {
  if (listener->ended() && !draining_) return;  // while the PROXY header came
  if (!may_have_one_more(client_ip, socket.descriptor(), *listener)) return;
  std::unique_ptr<net::Stream> stream;
  net::TlsStream* tls = nullptr;
  if (listener->material != nullptr) {
    std::shared_ptr<net::TlsServerContext> context = listener->tls_context();
    if (context == nullptr) return;
    auto made = net::TlsStream::server(*loop_, std::move(socket), std::move(context));
    tls = made.get();
    stream = std::move(made);
  } else {
    stream = net::TcpStream::accepted(*loop_, std::move(socket));
  }
  auto* connection = new Connection(*this, listener, std::move(stream), tls, std::move(client_ip));
  ++connections_;
  open_.push_back(*connection);
  connection->start();
  if (draining_) connection->drain();
  look_at_memory();
}

// The last places are for those who do not have many already: what is freed for newcomers is not for those
// who were ended, and are back at once. They are the worker's own, or descriptors, which all workers share:
// descriptor is the newest one's, and all below it are taken.
bool Worker::may_have_one_more(Slice client_ip, int descriptor, WorkerListener& listener) {
  const size_t has = clients_.of(client_ip);
  if (per_address_max_ != 0 && has >= per_address_max_) {
    listener.counts->refused.add("connections_per_address");
    return false;
  }
  const size_t descriptors = net::descriptors_for_clients();
  const size_t short_of = places_short(connections_max_, connections_ + 1);
  const size_t descriptors_short = places_short(descriptors, static_cast<size_t>(descriptor) + 1);
  ask_for_places(std::max(short_of, descriptors_short));
  if (std::max(short_of, descriptors_short) == 0 || !clients_.are_many(has + 1)) return true;
  if (short_of > 0)
    listener.counts->refused.add("connections");
  else
    closed_without_descriptor(listener);
  return false;
}

void Worker::over(Connection& connection) {
  done_.push_back(connection);
  loop_->before_wait(reaper_);
}

void Worker::Reaper::at_turn_end() {
  while (Connection* connection = worker.done_.pop_front()) {
    delete connection;
    --worker.connections_;
  }
  worker.look_at_memory();
  if (worker.draining_ && worker.connections_ + worker.proxied_.size() == 0) worker.end();
}

// The first requests of a connection are answered as long as there is any room, so that those who ask for
// many at once do not take it from those who ask for one.
bool Worker::has_room_beside(size_t streams) {
  const bool room = loop_->blocks().pressure() < Pressure::much || streams < streams_under_pressure;
  if (room) return true;
  memory_.streams_refused.add();
  relief_.ask(*loop_);
  return false;
}

void Worker::look_at_memory() {
  BlockPool& blocks = loop_->blocks();
  memory_.held.set(static_cast<int64_t>(blocks.held()));
  memory_.kept.set(static_cast<int64_t>(blocks.kept()));
  if (blocks.pressure() >= Pressure::much) relief_.ask(*loop_);
  if (!blocks.has_fallen() || (trim_timer_ != nullptr && trim_timer_->armed())) return;
  if (trim_timer_ == nullptr) trim_timer_ = std::make_unique<Timer>(*loop_, &Worker::trim, this);
  trim_timer_->arm_after(trim_after);
}

void Worker::look_at_places() {
  ask_for_places(places_short(connections_max_, connections_ + proxied_.size()));
}

void Worker::ask_for_places(size_t places) {
  if (places > 0 && !draining_) relief_.ask_for_places(*loop_, places);
}

// free() gives back what lies at the heap's end only.
void Worker::trim(void* self) {
  auto& worker = *static_cast<Worker*>(self);
  worker.loop_->blocks().forget_highest();
  malloc_trim(0);
  worker.look_at_memory();
}

void Worker::drain(Duration patience) {
  post([this, patience] { begin_drain(patience); });
}

void Worker::cut_drain() {
  post([this] { drain_over(this); });
}

void Worker::begin_drain(Duration patience) {
  draining_ = true;
  for (const auto& listener : listeners_) {
    if (listener->socket) listener->socket->accept_waiting();  // they would be reset
    listener->socket.reset();
  }
  drain_timer_ = std::make_unique<Timer>(*loop_, &Worker::drain_over, this);
  drain_timer_->arm_after(patience);
  for (Connection* c = open_.front(); c != nullptr;) {
    Connection* next = open_.after(*c);
    c->drain();
    c = next;
  }
  loop_->before_wait(reaper_);
}

void Worker::drain_over(void* self) {
  auto& worker = *static_cast<Worker*>(self);
  worker.proxied_.cancel_all();
  while (Connection* connection = worker.open_.front()) connection->cut("drain_timeout");
  worker.loop_->before_wait(worker.reaper_);
}

void Worker::end() {
  const std::lock_guard lock(ending_);
  drained_.store(true, std::memory_order_release);
  loop_->stop();
}

}  // namespace sallyport::server
