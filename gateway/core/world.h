// World: the snapshot of the config that requests run in: routes and their chains. Immutable; one a worker
// and config.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/base/cidr.h"
#include "gateway/config/model.h"
#include "gateway/core/plugin.h"
#include "gateway/core/router.h"
#include "gateway/observe/access_log.h"
#include "gateway/observe/metrics.h"

namespace sallyport {

// A route as a request meets it.
struct Route {
  Route(std::string route_name, Chain layers, observe::Metrics& metrics, config::Match match_of = {});
  std::string name;
  config::Match match;
  Chain chain;
  // Counted when an exchange is over: by the worker only.
  mutable observe::CounterSet requests;
  observe::Histogram& duration;
};

struct World {
  std::shared_ptr<const void> generation;  // the config this was made of; first, so that it outlives the rest
  Router routes;
  std::vector<std::unique_ptr<Route>> all;
  std::unique_ptr<Route> none;  // what a request without a route is counted under
  CidrSet trusted_proxies;      // whose X-Forwarded-For is believed
  observe::AccessLog* access_log = nullptr;
  size_t worker = 0;  // whose ring of the access log
};

}  // namespace sallyport
