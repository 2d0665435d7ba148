#include "gateway/server/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "gateway/config/address.h"
#include "gateway/config/route_pattern.h"
#include "gateway/core/setup.h"
#include "gateway/observe/log.h"
#include "gateway/observe/log_output.h"
#include "gateway/server/plugin_types.h"

namespace sallyport::server {
namespace {

// Stands on a worker where a layer could not be made, as a file has changed since the config was checked:
// nothing gets past what is not there.
class NotMade final : public Plugin {
 public:
  Task<> handle(Exchange& x, Next) override {
    return x.fail(Error{Code::internal, "config_changed_under_way",
                        "a file that the config names is not what it was; reload the config"});
  }
};

// The counters of our own 5xx, by the methods that the route lists.
void expect_server_errors(const Route& route, const std::vector<std::string>& methods) {
  const auto expect = [&](http::Method method) {
    for (const char* status : {"502", "503", "504"}) route.requests.expect(http::to_string(method), status);
  };
  if (methods.empty()) expect(http::Method::get);
  for (const std::string& method : methods) expect(http::method_from(method));
}

// The layers of one route, in the order of the bands.
Chain make_chain(const config::Route& route, Setup& setup) {
  std::vector<std::unique_ptr<Plugin>> layers;
  for (const PluginType* type : plugin_types()) {
    const config::PluginBlock* block = route.plugin(type->name);
    if (block == nullptr) continue;
    config::Reader reader(*block->block, setup.problems, block->path, setup.directory);
    auto layer = type->make(reader, setup);
    if (!reader.whole()) layer = std::make_unique<NotMade>();
    if (layer != nullptr) layers.push_back(std::move(layer));
  }
  return Chain(std::move(layers));
}

}  // namespace

std::shared_ptr<Generation> Generation::make(const std::string& path, Cache& process, Background* background,
                                             std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                             config::Problems& problems) {
  return make(config::load(path, plugin_keys(), keys_everywhere()), path, process, background,
              std::move(tickets), problems);
}

std::shared_ptr<Generation> Generation::make(config::Loaded loaded, const std::string& path, Cache& process,
                                             Background* background,
                                             std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                             config::Problems& problems) {
  std::shared_ptr<Generation> made(new Generation);
  made->path_ = path;
  problems.add_all(loaded.problems);
  if (loaded.model == nullptr) return nullptr;
  made->model_ = std::move(loaded.model);
  made->directory_ = std::move(loaded.directory);
  if (problems.empty()) made->prepare_listeners(background, std::move(tickets), problems);
  made->prepare_plugins(process, background, problems);
  made->check_access_log(problems);
  if (!problems.empty()) return nullptr;
  return made;
}

// Makes every plugin once, so that whatever is wrong in a block or in a file that it names is found here, and
// the things that the workers will share (key tables, key sets, schemas) are made here.
void Generation::prepare_plugins(Cache& process, Background* background, config::Problems& problems) {
  observe::Metrics metrics;
  Cache worker, snapshot;
  Setup setup{*model_, problems, directory_, {},      process,   cache_,
              worker,  snapshot, metrics,    nullptr, background};
  for (const PluginType* type : plugin_types()) {
    if (type->prepare != nullptr) type->prepare(setup);
  }
  for (const config::Route& route : model_->routes) {
    setup.route = route.name;
    const Chain chain = make_chain(route, setup);
  }
}

void Generation::prepare_listeners(Background* background,
                                   std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                   config::Problems& problems) {
  for (const config::Listener& listener : model_->listeners) {
    ListenerPlan plan{listener, nullptr};
    if (listener.tls) {
      plan.tls = std::make_shared<Live<TlsMaterial>>();
      if (background != nullptr) watch_tls(plan, *background);  // first: a change meanwhile is not missed
      std::optional<TlsMaterial> material = read_tls(listener, tickets, problems);
      if (!material) continue;
      plan.tls->publish(std::make_shared<const TlsMaterial>(std::move(*material)));
    }
    listeners_.push_back(std::move(plan));
  }
}

void Generation::check_access_log(config::Problems& problems) const {
  const config::AccessLogTo& to = model_->log.access.to;
  if (to.kind != config::AccessLogTo::Kind::file) return;
  if (const Result<void> can = observe::LogOutput::can_open(to.file.resolved); !can)
    problems.add(to.mark, "log.access.to: cannot open the access log: " + can.error().detail);
}

void Generation::watch_tls(const ListenerPlan& plan, Background& background) {
  handles_.push_back(background.watch_together(
      tls_files(plan.config),
      [this, &background, plan](std::span<const Background::ChangedFile> files) {
        if (reload_tls(plan, files, background) && authorities_changed_) authorities_changed_();
      },
      false));
}

http::ServerLimits Generation::server_limits() const noexcept {
  const config::Http& h = model_->http;
  return {{h.header_bytes.count, h.uri_bytes.count, h.headers},
          h.header_timeout,
          h.idle_timeout,
          h.body_timeout,
          h.body_rate.count,
          h.write_timeout,
          h.streams};
}

net::Resolver::Options Generation::resolver_options() const {
  net::Resolver::Options options;
  for (const std::string& server : model_->dns.servers) {
    if (const auto address = config::parse_dns_server(server))
      options.servers.push_back(config::to_string(*address));
  }
  return options;
}

std::shared_ptr<const World> build_world(const std::shared_ptr<const Generation>& generation,
                                         const WorkerParts& parts) {
  auto world = std::make_shared<World>();
  world->generation = generation;
  world->access_log = parts.access_log;
  world->worker = parts.number;
  world->trusted_proxies = CidrSet(generation->model().http.trusted_proxies);
  Cache snapshot;
  config::Problems problems;
  const config::Model& model = generation->model();
  Setup setup{
      model,        problems, generation->directory(), {},          parts.process, generation->cache(),
      parts.worker, snapshot, parts.metrics,           &parts.loop, nullptr,       &parts.resolver};
  world->none = std::make_unique<Route>("none", Chain{}, parts.metrics);
  std::vector<Router::Entry> entries;
  for (const config::Route& route : model.routes) {
    setup.route = route.name;
    world->all.push_back(
        std::make_unique<Route>(route.name, make_chain(route, setup), parts.metrics, route.match));
    expect_server_errors(*world->all.back(), route.match.methods);
    entries.push_back({route.match.host, &route.match.path, route.match.methods, world->all.back().get()});
  }
  world->routes = Router(entries);
  if (!problems.empty()) {  // a file changed between the check and now
    observe::log(observe::Level::error, "config_changed_under_way", {{"detail", problems.in_one_line()}});
  }
  return world;
}

}  // namespace sallyport::server
