// Generation: one config, read and fully checked, with everything that its workers share. Made and destroyed
// on the main thread; immutable for the workers, but for what is Live.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/config/load.h"
#include "gateway/config/model.h"
#include "gateway/core/background.h"
#include "gateway/core/cache.h"
#include "gateway/core/world.h"
#include "gateway/http/h1_server.h"
#include "gateway/net/resolver.h"
#include "gateway/server/listeners.h"

namespace sallyport::server {

class Generation {
 public:
  // Reads the config and everything it names. background: null to check only. Null, with problems, if
  // anything is wrong; else there may be warnings.
  static std::shared_ptr<Generation> make(const std::string& path, Cache& process, Background* background,
                                          std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                          config::Problems& problems);
  // The same of a config that has been loaded; path is only shown.
  static std::shared_ptr<Generation> make(config::Loaded loaded, const std::string& path, Cache& process,
                                          Background* background,
                                          std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                          config::Problems& problems);

  const config::Model& model() const noexcept { return *model_; }
  const std::vector<ListenerPlan>& listeners() const noexcept { return listeners_; }
  http::ServerLimits server_limits() const noexcept;
  net::Resolver::Options resolver_options() const;
  const std::string& directory() const noexcept { return directory_; }
  Cache& cache() const noexcept { return cache_; }
  const std::string& path() const noexcept { return path_; }
  // changed: called after the authorities of clients have been read again from their file. Main thread.
  void on_client_authorities(std::function<void()> changed) { authorities_changed_ = std::move(changed); }

 private:
  Generation() = default;
  void prepare_plugins(Cache& process, Background* background, config::Problems& problems);
  void prepare_listeners(Background* background, std::shared_ptr<const Live<net::TicketKeys>> tickets,
                         config::Problems& problems);
  void check_access_log(config::Problems& problems) const;
  void watch_tls(const ListenerPlan& plan, Background& background);

  std::string path_;
  std::string directory_;
  std::shared_ptr<const config::Model> model_;
  std::vector<ListenerPlan> listeners_;
  std::function<void()> authorities_changed_;
  std::vector<std::unique_ptr<Background::Handle>> handles_;
  mutable Cache cache_;
};

// What a worker brings to the making of its world.
struct WorkerParts {
  size_t number;
  Loop& loop;
  net::Resolver& resolver;
  Cache& process;
  Cache& worker;
  observe::Metrics& metrics;
  observe::AccessLog* access_log;
};
// The routes and chains of one worker for a config that has been checked. On the worker's thread.
std::shared_ptr<const World> build_world(const std::shared_ptr<const Generation>& generation,
                                         const WorkerParts& parts);

}  // namespace sallyport::server
