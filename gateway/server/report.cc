// What a server tells of itself: metrics, readiness, config and routes; and `check` and `show`, which tell of
// a config.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>

#include "gateway/base/standard_streams.h"
#include "gateway/config/show.h"
#include "gateway/config/yaml.h"
#include "gateway/json/write.h"
#include "gateway/observe/log.h"
#include "gateway/server/plugin_types.h"
#include "gateway/server/server.h"
#include "gateway/server/version.h"

namespace sallyport::server {
namespace {

constexpr Duration still_max = seconds(5);  // a loop that has not turned for longer will hardly do so again

// A plugin's block with the plugin's own defaults filled in.
std::optional<config::Node> describe_block(const config::ShownBlock& shown, const std::string& directory) {
  const bool of_route = shown.kind == config::ShownBlock::Kind::plugin;
  for (const PluginType* type : plugin_types()) {
    const auto describe = of_route ? type->describe : type->describe_named;
    const bool fits = of_route ? type->name == shown.name : type->named == shown.kind;
    if (!fits || describe == nullptr) continue;
    config::Problems problems;
    config::Reader reader(shown.block, problems, shown.path, directory);
    config::Node described = describe(reader);
    if (problems.empty()) return described;
  }
  return std::nullopt;
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("\"{}\":", name);
  json::append_string(out, value);
}

}  // namespace

std::string effective_config(const Generation& generation) {
  return config::show(generation.model(), [&](const config::ShownBlock& block) {
    return describe_block(block, generation.directory());
  });
}

std::string Server::metrics() {
  observe::Metrics present;  // what is true of the config in force, and goes with it
  std::vector<observe::Gauge> gauges;
  for (const ListenerPlan& plan : generation_->listeners()) {
    if (plan.tls == nullptr) continue;
    std::map<std::string, int64_t> ends;  // of several of one name (RSA and ECDSA) the first to end counts
    for (const auto& certificate : plan.tls->load()->certificates) {
      const std::string name = certificate->names().empty() ? "" : certificate->names().front();
      const int64_t end = unix_seconds(certificate->not_after());
      const auto [at, fresh] = ends.try_emplace(name, end);
      if (!fresh) at->second = std::min(at->second, end);
    }
    for (const auto& [name, end] : ends) {
      gauges.push_back(present.gauge("sallyport_certificate_expiry_timestamp_seconds",
                                     {{"listener", plan.config.name}, {"name", name}}));
      gauges.back().set(end);
    }
  }
  gauges.push_back(
      present.gauge("sallyport_build_info", {{"version", version()}, {"tls", net::tls_library()}}));
  gauges.back().set(1);
  const auto catch_up = [](observe::Counter& counter, uint64_t to) { counter.add(to - counter.value()); };
  catch_up(metrics_.counter("sallyport_access_log_lost_total", {}), access_log_->lost());
  catch_up(metrics_.counter("sallyport_error_log_lost_total", {}), observe::log_lines_lost());
  std::vector<observe::Metrics*> all = {&metrics_, &present};
  for (auto& worker : workers_) all.push_back(&worker->metrics());
  return observe::scrape(all);
}

std::vector<std::string> Server::not_alive_reasons() {
  std::vector<std::string> reasons;
  const auto now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < workers_.size(); ++i) {
    const Duration still = workers_[i]->stood_still(now);
    if (workers_[i]->drained() || still < still_max) continue;
    reasons.push_back(fmt::format("worker {} has not turned its loop for {}s", i,
                                  std::chrono::floor<seconds>(still).count()));
  }
  return reasons;
}

std::vector<std::string> Server::not_ready_reasons() {
  std::vector<std::string> reasons = background_.not_ready_reasons();
  if (!started_) reasons.emplace_back("the workers are starting");
  if (draining_) reasons.emplace_back("the process is draining");
  return reasons;
}

std::string Server::config_text() { return effective_config(*generation_); }

std::string Server::routes_text() {
  std::string out = "[";
  for (const config::Route& route : generation_->model().routes) {
    if (out.size() > 1) out += ",";
    out += "\n  {";
    append_member(out, "name", route.name);
    out += ",";
    append_member(out, "host", route.match.host);
    out += ",";
    append_member(out, "path", route.match.path.text);
    out += ",\"methods\":[";
    for (const std::string& method : route.match.methods) {
      if (out.back() != '[') out += ",";
      json::append_string(out, method);
    }
    out += "]";
    for (const PluginType* type : plugin_types()) {
      const config::PluginBlock* block = route.plugin(type->name);
      if (block == nullptr) continue;
      out += fmt::format(",\"{}\":{}", type->name, config::to_json(*block->block));
    }
    out += "}";
  }
  return out + "\n]\n";
}

namespace {

std::string counted(size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

int check_config(const std::string& path) {
  Cache process;
  config::Problems problems;
  const auto generation = Generation::make(path, process, nullptr, nullptr, problems);
  if (generation == nullptr) {
    tell(problems.text());
    return 78;
  }
  tell(problems.text());  // warnings
  const config::Model& m = generation->model();
  fmt::print("ok: {}: {}, {}, {}\n", path, counted(m.listeners.size(), "listener"),
             counted(m.routes.size(), "route"), counted(m.upstreams.size(), "upstream"));
  return 0;
}

int show_config(const std::string& path) {
  Cache process;
  config::Problems problems;
  const auto generation = Generation::make(path, process, nullptr, nullptr, problems);
  if (generation == nullptr) {
    tell(problems.text());
    return 78;
  }
  fmt::print("{}", effective_config(*generation));
  return 0;
}

}  // namespace sallyport::server
