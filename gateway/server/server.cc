#include "gateway/server/server.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <new>
#include <utility>

#include "gateway/config/address.h"
#include "gateway/net/listener.h"
#include "gateway/observe/log.h"
#include "gateway/server/cpu_count.h"

namespace sallyport::server {
namespace {

using observe::Level;
using observe::log;

constexpr int exit_config = 78;  // EX_CONFIG of sysexits.h
constexpr char share_hint[] = "; `sallyport run --share-ports` takes a part of the connections";
constexpr char admin_hint[] =
    "; the admin port is never shared with another process: give this one another (admin.address)";
constexpr Duration ticket_life = std::chrono::hours(8);
constexpr Duration drain_look = milliseconds(20);
constexpr Duration drain_slack = seconds(5);  // for what the workers have cut off to end

// What works, and somebody should look at.
void log_warnings(const config::Problems& problems, const config::Model& model, size_t workers) {
  for (const config::Problem& p : problems.warnings())
    log(Level::warn, "config_warning", {{"at", p.place()}, {"warning", p.message}});
  const auto descriptors = static_cast<size_t>(net::descriptors_for_clients());
  if (model.http.connections * workers < descriptors) return;
  log(Level::warn, "config_warning",
      {{"at", "http.connections"},
       {"warning", fmt::format("{} workers with {} connections each are more than the limit of open files "
                               "allows: clients have fewer than {} of them; raise it (ulimit -n, "
                               "LimitNOFILE), or lower http.connections",
                               workers, model.http.connections, descriptors)}});
}

observe::AccessLog::Options log_options(const config::Model& model, size_t workers) {
  observe::AccessLog::Options options;
  options.workers = workers;
  options.to = static_cast<observe::AccessLog::To>(model.log.access.to.kind);  // the same order
  options.path = model.log.access.to.file.resolved;
  return options;
}

}  // namespace

Server::Server(std::string config_path, Options options)
    : config_path_(std::move(config_path)), options_(options) {
  for (const char* result : {"success", "failure"}) reloads_.expect(result);
}

Server::~Server() = default;

int Server::run() {
  std::signal(SIGXFSZ, SIG_IGN);  // a log that may not grow is an output that fails (EFBIG)
  // What is larger than the pool's blocks goes back to the system at once; left alone, the threshold rises.
  mallopt(M_MMAP_THRESHOLD, 2 * BlockPool::large_bytes);
  observe::log_through(&log_writer_);
  const int status = serve();
  observe::log_through(nullptr);
  if (!log_writer_.end()) std::_Exit(status);
  sigset_t caught;  // with their handlers they get their default actions back
  sigemptyset(&caught);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&caught, number);
  pthread_sigmask(SIG_BLOCK, &caught, nullptr);
  return status;
}

int Server::serve() {
  watch_signals();  // first of all: one that comes while the config is read must wait for it, not end us
  rotate_tickets(this);
  config::Problems problems;
  generation_ = make_next(problems);
  if (generation_ == nullptr) {
    observe::say(problems.text());
    return exit_config;
  }
  observe::set_log_level(static_cast<Level>(generation_->model().log.level));
  const config::WorkerCount& wanted = generation_->model().workers;
  const size_t workers = options_.workers.value_or(wanted.automatic ? cpu_count() : wanted.count);
  log_warnings(problems, generation_->model(), workers);
  for (size_t i = 0; i < workers; ++i) workers_.push_back(nullptr);
  if (!open_log()) return exit_config;
  NewSockets sockets;
  if (!bind_new(*generation_, sockets, problems)) {
    for (const config::Problem& p : problems.all()) observe::say(fmt::format("sallyport: {}\n", p.message));
    return 1;
  }
  start_workers();
  apply(generation_, std::move(sockets));
  loop_.run();
  for (auto& worker : workers_) worker->join();
  loop_.run_posted();  // configs that workers gave back last
  admin_.reset();
  access_log_.reset();
  log(Level::info, "stopped");
  return 0;
}

bool Server::open_log() {
  auto opened = observe::AccessLog::open(log_writer_, log_options(generation_->model(), workers_.size()));
  if (!opened) {
    config::Problems problems;
    problems.add(generation_->model().log.access.to.mark,
                 "log.access.to: cannot open the access log: " + opened.error().detail);
    observe::say(problems.text());
    return false;
  }
  access_log_ = std::move(*opened);
  return true;
}

// Binds the addresses that the config names and the process does not have yet, or not any more (a unix
// socket whose file is gone): all of them, or none.
bool Server::bind_new(const Generation& next, NewSockets& added, config::Problems& problems) {
  std::vector<uint16_t> ours;  // who goes to another host shares its port with the socket that it leaves
  for (const BoundListener& bound : bound_) ours.push_back(bound.port);
  if (admin_ != nullptr) ours.push_back(admin_bound_.port);
  bool good = true;
  const auto bind = [&](const config::Listener& listener, size_t workers, bool may_share) {
    const auto address = config::parse_address(listener.address);
    const bool mine = address && address->port != 0 && std::ranges::count(ours, address->port) > 0;
    const bool anybody = mine || (may_share && options_.share_ports);
    auto bound = bind_listener(listener, workers, anybody ? PortSharing::anybody : PortSharing::ourselves);
    if (bound) {
      ours.push_back(bound->port);
      return std::optional(std::move(*bound));
    }
    const std::string_view reason = bound.error().reason;
    const bool shared = reason == "address_shared", taken = shared || reason == "address_in_use";
    problems.add(listener.mark, bound.error().detail + (may_share ? shared ? share_hint : ""
                                                        : taken   ? admin_hint
                                                                  : ""));
    good = false;
    return std::optional<BoundListener>();
  };
  for (const ListenerPlan& plan : next.listeners()) {
    const auto have = std::ranges::find(bound_, plan.key(), &BoundListener::key);
    if (have != bound_.end() && !have->file.is_lost()) continue;
    if (auto bound = bind(plan.config, workers_.size(), true)) added.listeners.push_back(std::move(*bound));
  }
  if (const auto& admin = next.model().admin) {
    ListenerPlan plan;
    plan.config.name = "admin";
    plan.config.address = admin->address;
    plan.config.mark = admin->mark;
    const bool have = admin_ != nullptr && admin_bound_.key == plan.key() && !admin_bound_.file.is_lost();
    if (!have) added.admin = bind(plan.config, 1, false);
  }
  return good;
}

void Server::start_workers() {
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i] = std::make_unique<Worker>(i, workers_.size(), process_, access_log_.get());
    workers_[i]->start();
  }
}

// Gives the config to every worker; each builds its own world from it and swaps a pointer.
void Server::apply(std::shared_ptr<Generation> next, NewSockets added) {
  const auto tell = [](const BoundListener& bound) {
    log(Level::info, "listening", {{"name", bound.name}, {"address", bound.shown}});
  };
  resolver_.use(next->resolver_options());
  to_apply_ += workers_.size();
  const std::shared_ptr<const Generation> lent = lend(next);
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker::Sockets sockets;
    for (BoundListener& bound : added.listeners) sockets.emplace_back(bound.key, std::move(bound.sockets[i]));
    workers_[i]->apply(lent, std::move(sockets), [this] { loop_.post([this] { applied_by_worker(); }); });
  }
  const auto is_added = [&](const BoundListener& bound) {  // anew
    return std::ranges::find(added.listeners, bound.key, &BoundListener::key) != added.listeners.end();
  };
  std::erase_if(bound_, [&](BoundListener& bound) {
    const auto plan = std::ranges::find(next->listeners(), bound.key, &ListenerPlan::key);
    if (plan == next->listeners().end() || is_added(bound)) return true;
    const bool renamed = bound.name != plan->config.name;
    bound.name = plan->config.name;
    if (renamed) tell(bound);
    return false;
  });
  for (BoundListener& bound : added.listeners) {
    tell(bound);
    bound_.push_back(std::move(bound));
  }
  if (!next->model().admin) {
    admin_.reset();
    admin_bound_ = {};
  }
  if (added.admin) {
    tell(*added.admin);
    admin_bound_ = std::move(*added.admin);
    AdminSource& source = *this;
    admin_ = std::make_unique<Admin>(loop_, std::move(admin_bound_.sockets.front()), source);
  }
  next->on_client_authorities([this] {
    for (const auto& worker : workers_) worker->look_at_admission();
  });
  generation_ = std::move(next);
}

// The last worker to let go of a config does not destroy it: that is for the main thread, where its watches
// live.
std::shared_ptr<const Generation> Server::lend(std::shared_ptr<Generation> generation) {
  const Generation* bare = generation.get();
  return {bare, [this, keep = std::move(generation)](const Generation*) mutable {
            loop_.post([back = std::move(keep)]() mutable { back.reset(); });
          }};
}

void Server::applied_by_worker() {
  if (--to_apply_ > 0) return;
  if (reload_wanted_) reload_soon();
  if (std::exchange(started_, true)) return;
  log(Level::info, "started", {{"workers", std::to_string(workers_.size())}, {"config", config_path_}});
}

void Server::watch_signals() {
  signals_.push_back(std::make_unique<OsSignal>(loop_, SIGTERM, [this] { drain(); }));
  signals_.push_back(std::make_unique<OsSignal>(loop_, SIGINT, [this] { drain(); }));
  signals_.push_back(std::make_unique<OsSignal>(loop_, SIGHUP, [this] { want_reload(); }));
  signals_.push_back(std::make_unique<OsSignal>(loop_, SIGUSR1, [this] { access_log_->reopen(); }));
}

// What a running process cannot change.
bool Server::can_follow(const config::Model& next, config::Problems& problems) const {
  const config::WorkerCount &now = generation_->model().workers, &then = next.workers;
  if (options_.workers || (now.automatic == then.automatic && now.count == then.count)) return true;
  problems.add({}, "workers cannot change while the gateway runs: restart it, or leave workers as they were");
  return false;
}

bool Server::redirect_log(const config::Model& next, config::Problems& problems) {
  const config::AccessLogTo &now = generation_->model().log.access.to, &then = next.log.access.to;
  if (now.kind == then.kind && now.file == then.file) return true;
  const observe::AccessLog::Options options = log_options(next, workers_.size());
  const Result<void> opened = access_log_->redirect(options.to, options.path);
  if (!opened) problems.add({}, "log.access.to: cannot open the access log: " + opened.error().detail);
  return opened.has_value();
}

// What came while a reload was under way is one wish, and comes behind a SIGTERM that came with it.
void Server::want_reload() {
  if (!std::exchange(reload_wanted_, true)) reload_soon();
}

// Not before the workers have taken the config before: an address that it gives up is theirs until then.
void Server::reload_soon() {
  if (to_apply_ > 0) return;
  loop_.post([this] {
    reload_wanted_ = false;
    if (!draining_) reload();
  });
}

// Null, with problems, if it is not good, or larger than there is memory.
std::shared_ptr<Generation> Server::make_next(config::Problems& problems) {
  try {
    return Generation::make(config_path_, process_, &background_, tickets_, problems);
  } catch (const std::bad_alloc&) {
    problems.add({}, "there is not enough memory for this config");
    return nullptr;
  }
}

void Server::reload() {
  access_log_->reopen();  // after a rotation, whatever the config says by now
  config::Problems problems;
  std::shared_ptr<Generation> next = make_next(problems);
  NewSockets added;
  const bool good = next != nullptr && can_follow(next->model(), problems) &&
                    bind_new(*next, added, problems) && redirect_log(next->model(), problems);
  reloads_.add(good ? "success" : "failure");
  if (!good) {
    for (const config::Problem& p : problems.all()) {
      const std::string at = p.place();
      log(Level::error, "config_reload_failed",
          {{"at", at.empty() ? config_path_ : at}, {"problem", p.message}});
    }
    log(Level::error, "config_unchanged", {{"detail", "the config that was in force still is"}});
    return;
  }
  observe::set_log_level(static_cast<Level>(next->model().log.level));
  log_warnings(problems, next->model(), workers_.size());
  apply(std::move(next), std::move(added));
  log(Level::info, "config_reloaded", {{"config", config_path_}});
}

void Server::drain() {
  if (std::exchange(draining_, true)) return cut_drain();
  const Duration patience = generation_->model().shutdown.drain_timeout;
  log(Level::info, "draining", {{"patience", to_string(patience)}});
  give_up_at_ = std::chrono::steady_clock::now() + patience + drain_slack;
  for (auto& worker : workers_) worker->drain(patience);
  look_if_drained();
}

// Whoever asks again does not want to wait.
void Server::cut_drain() {
  if (std::exchange(drain_is_cut_, true)) return;
  log(Level::info, "drain_cut_short");
  give_up_at_ = std::chrono::steady_clock::now() + drain_slack;
  for (auto& worker : workers_) worker->cut_drain();
}

void Server::look_if_drained() {
  if (std::ranges::all_of(workers_, &Worker::drained)) {
    ticket_timer_.disarm();
    for (auto& signal : signals_) signal->ignore();  // nothing is left that one could ask for
    loop_.stop();
  } else {
    if (std::chrono::steady_clock::now() > give_up_at_) give_up();
    drain_timer_.arm_after(drain_look);
  }
}

// A worker whose loop stands does not hear that it is to end.
void Server::give_up() {
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i]->drained()) log(Level::error, "worker_does_not_end", {{"worker", std::to_string(i)}});
  }
  log_writer_.end();
  std::_Exit(EXIT_FAILURE);
}

void Server::look_again(void* self) { static_cast<Server*>(self)->look_if_drained(); }

void Server::rotate_tickets(void* self) {
  auto& server = *static_cast<Server*>(self);
  server.tickets_->publish(net::TicketKeys::rotated(server.tickets_->load().get()));
  server.ticket_timer_.arm_after(ticket_life);
}

}  // namespace sallyport::server
