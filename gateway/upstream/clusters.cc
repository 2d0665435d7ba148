#include "gateway/upstream/clusters.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/base/cidr.h"
#include "gateway/base/text.h"
#include "gateway/config/address.h"
#include "gateway/config/show.h"
#include "gateway/core/setup.h"
#include "gateway/net/tls_context.h"

namespace sallyport::upstream {
namespace {

// Made once a config, where it is checked: the workers read no file.
struct Trust {
  std::shared_ptr<const net::TlsClientContext> context;
};

Result<std::shared_ptr<const net::TlsClientContext>> tls_for(const std::string& name,
                                                             const config::ClientTls& tls,
                                                             Cache& generation) {
  const std::string key = "upstream.trust." + name;
  if (const auto made = generation.find<Trust>(key)) return made->context;
  auto context = net::TlsClientContext::make({tls.verify, tls.ca.resolved});
  if (!context) return context;
  return generation.get<Trust>(key, [&] { return std::make_shared<Trust>(std::move(*context)); })->context;
}

// An upstream of the config as a cluster's options; nothing, with problems, if something is wrong with it.
std::optional<ClusterOptions> options_for(const std::string& name, const config::Upstream& block,
                                          Setup& setup) {
  config::Problems& problems = setup.problems;
  ClusterOptions options;
  options.name = name;
  bool tls = false;
  for (size_t i = 0; i < block.targets.size(); ++i) {
    Result<Target> target = parse_target(block.targets[i]);
    if (!target) {
      problems.add(i < block.target_marks.size() ? block.target_marks[i] : block.mark, target.error().detail);
      return std::nullopt;
    }
    tls = tls || target->tls;
    options.targets.push_back(std::move(*target));
  }
  if (options.targets.empty()) return std::nullopt;  // load has said so
  if (tls) {
    auto context = tls_for(name, block.tls, setup.generation);
    if (!context) {
      problems.add(block.tls.ca.empty() ? block.mark : block.tls.ca.mark,
                   fmt::format("upstream {}: {}", name, context.error().detail));
      return std::nullopt;
    }
    options.tls = std::move(*context);
    options.server_name = block.tls.server_name;
  }
  options.connect_timeout = block.connect_timeout;
  options.response_timeout = block.response_timeout;
  options.body_timeout = block.body_timeout;
  options.idle_timeout = block.idle_timeout;
  options.resolve_every = block.resolve_every;
  options.connections_max = block.connections_max;
  return options;
}

// Whether who connects to `target` comes to a listener of that address, as far as the two tell.
bool leads_to(const Target& target, const config::Address& listener) {
  if (listener.kind != config::Address::Kind::ip || listener.port != target.port) return false;
  const Cidr loopback = *Cidr::parse("127.0.0.0/8");
  const auto at = parse_ip(listener.host),
             to = parse_ip(target.host == "localhost" ? "127.0.0.1" : target.host);
  if (!at || !to) return false;
  const bool is_v4 = listener.host.contains('.');
  const bool to_loopback = loopback.contains(*to) || (target.host == "::1" && !is_v4);
  const bool at_all = *at == *parse_ip("0.0.0.0") || *at == *parse_ip("::");  // the latter takes IPv4, too
  return *at == *to || (at_all && to_loopback);
}

// The gateway's own listener that a target is, as a message calls it; empty: none.
std::string own_listener(const Target& target, const config::Model& model) {
  const auto is_it = [&](const std::string& address) {
    const auto parsed = config::parse_address(address);
    return parsed && leads_to(target, *parsed);
  };
  for (const config::Listener& listener : model.listeners) {
    if (is_it(listener.address)) return fmt::format("listener \"{}\"", text::printable(listener.name));
  }
  return model.admin && is_it(model.admin->address) ? "admin listener" : "";
}

void warn_of_targets(const std::string& name, const config::Upstream& block,
                     const std::vector<Target>& targets, Setup& setup) {
  for (size_t i = 0; i < targets.size(); ++i) {
    const config::Mark& mark = block.target_marks[i];
    const std::string shown = fmt::format("upstreams.{}: {}", name, text::printable(block.targets[i]));
    const auto same = [&](const Target& other) { return targets[i].is_same(other); };
    if (std::count_if(targets.begin(), targets.begin() + static_cast<ptrdiff_t>(i), same) == 1)
      setup.problems.warn(mark, fmt::format("{} is there already: it is one backend, with two shares of the "
                                            "requests, and a second attempt elsewhere may come to it again; "
                                            "name it once",
                                            shown));
    if (const std::string own = own_listener(targets[i], setup.model); !own.empty())
      setup.problems.warn(mark, fmt::format("{} is this gateway's own {}: a request would come back to it "
                                            "instead of reaching a backend; name the backend's address",
                                            shown, own));
  }
}

void warn_of_connections(const std::string& name, const config::Upstream& block,
                         const std::vector<Target>& targets, Setup& setup) {
  if (block.connections_max >= connections_least(targets)) return;
  setup.problems.warn(
      block.mark,
      fmt::format("upstreams.{}.connections_max {} is less than its targets need ({}: one for each h2:// "
                  "or h2c://, and one for the others): requests to one target will wait for those to "
                  "another",
                  name, block.connections_max, connections_least(targets)));
}

}  // namespace

std::shared_ptr<Cluster> find_cluster(const std::string& name, config::Reader& reader, Setup& setup) {
  const config::Upstream* block = setup.model.upstream(name);
  if (block == nullptr) {
    reader.error_at("to", fmt::format("there is no upstream \"{}\"{}", text::printable(name),
                                      reader.did_you_mean_one(name, setup.model.upstreams)));
    return nullptr;
  }
  if (setup.checking()) return nullptr;
  auto options = options_for(name, *block, setup);
  if (!options) {
    reader.refuse();
    return nullptr;
  }
  const std::string key = fmt::format("upstream.{}\n{}{}", name, config::yaml_of(*block),
                                      options->tls == nullptr ? "" : options->tls->identity());
  return setup.worker.get<Cluster>(key, [&] {
    return std::make_shared<Cluster>(*setup.loop, *setup.resolver, setup.metrics, std::move(*options));
  });
}

void check_upstreams(Setup& setup) {
  for (const auto& [name, block] : setup.model.upstreams) {
    const auto options = options_for(name, block, setup);
    if (!options) continue;
    warn_of_connections(name, block, options->targets, setup);
    warn_of_targets(name, block, options->targets, setup);
  }
}

}  // namespace sallyport::upstream
