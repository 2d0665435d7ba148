// Server: the process: its main thread, its workers, its signals. `sallyport run` is this.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/os_signal.h"
#include "gateway/core/cache.h"
#include "gateway/net/resolver.h"
#include "gateway/server/admin.h"
#include "gateway/server/background.h"
#include "gateway/server/generation.h"
#include "gateway/server/worker.h"

namespace sallyport::server {

class Server final : private AdminSource {
 public:
  struct Options {
    std::optional<size_t> workers;  // instead of what the config says
    bool share_ports = false;       // with other processes that listen there
  };
  Server(std::string config_path, Options options);
  ~Server();

  // Serves until SIGTERM or SIGINT, drains (until the next one, at most), and gives the exit status of the
  // process: 0; 78 for a bad config; 1 for anything else, with one line on stderr.
  int run();

 private:
  int serve();
  bool open_log();
  void start_workers();
  void watch_signals();
  void want_reload();
  void reload_soon();
  void reload();
  std::shared_ptr<Generation> make_next(config::Problems& problems);
  bool can_follow(const config::Model& next, config::Problems& problems) const;
  bool redirect_log(const config::Model& next, config::Problems& problems);
  void drain();
  void cut_drain();
  void look_if_drained();
  [[noreturn]] void give_up();
  // What a config names and the process has not bound yet; closed again unless it is applied.
  struct NewSockets {
    std::vector<BoundListener> listeners;
    std::optional<BoundListener> admin;
  };
  bool bind_new(const Generation& next, NewSockets& added, config::Problems& problems);
  void apply(std::shared_ptr<Generation> next, NewSockets added);
  std::shared_ptr<const Generation> lend(std::shared_ptr<Generation> generation);
  void applied_by_worker();
  static void rotate_tickets(void* self);
  static void look_again(void* self);

  std::string metrics() override;
  std::vector<std::string> not_alive_reasons() override;
  std::vector<std::string> not_ready_reasons() override;
  std::string config_text() override;
  std::string routes_text() override;

  const std::string config_path_;
  const Options options_;
  observe::LogWriter log_writer_;
  Loop loop_;
  observe::Metrics metrics_;
  observe::CounterSet reloads_{metrics_, "sallyport_config_reloads_total", {}, "result"};
  net::Resolver resolver_{loop_};
  MainBackground background_{loop_, resolver_, metrics_};
  Cache process_;
  std::shared_ptr<Live<net::TicketKeys>> tickets_ = std::make_shared<Live<net::TicketKeys>>();
  std::shared_ptr<Generation> generation_;
  std::unique_ptr<observe::AccessLog> access_log_;
  std::vector<BoundListener> bound_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Admin> admin_;
  BoundListener admin_bound_;  // of admin_
  std::vector<std::unique_ptr<OsSignal>> signals_;
  Timer ticket_timer_{loop_, &Server::rotate_tickets, this};
  Timer drain_timer_{loop_, &Server::look_again, this};
  std::chrono::steady_clock::time_point give_up_at_{};  // real time, also where tests move the clock
  size_t to_apply_ = 0;                                 // workers that have not taken the newest config yet
  bool started_ = false;
  bool draining_ = false;
  bool drain_is_cut_ = false;
  bool reload_wanted_ = false;
};

// The config in effect: defaults filled in, secrets as references. Reading it gives the same.
std::string effective_config(const Generation& generation);
// `sallyport check`: prints "ok: …", with warnings on stderr, or every problem; the exit status.
int check_config(const std::string& path);
// `sallyport show`.
int show_config(const std::string& path);

}  // namespace sallyport::server
