// Setup: what a plugin may ask for while it is made. Lives during the making of one snapshot.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/clock.h"
#include "gateway/config/model.h"
#include "gateway/config/problems.h"
#include "gateway/core/background.h"
#include "gateway/core/cache.h"
#include "gateway/core/principal.h"
#include "gateway/http/header_guard.h"
#include "gateway/observe/metrics.h"

namespace sallyport {

class Loop;
namespace net {
class Resolver;
}

class Setup {
 public:
  const config::Model& model;
  config::Problems& problems;
  std::string directory;   // relative paths in the config start here
  std::string_view route;  // the name of the route that is being made; empty in prepare()

  // Four lives of shared things, from long to short.
  Cache& process;  // as long as the process, for all workers: must be safe for any thread (a table of limits)
  Cache& generation;  // one config, all workers: immutable or Live (a key file, a key set, a compiled schema)
  Cache& worker;      // one worker, across reloads (a connection to Redis, the pools)
  Cache& snapshot;    // one worker and config (an authenticator that several routes name)

  observe::Metrics& metrics;  // of the worker
  Loop* loop =
      nullptr;  // of the worker; null while the config is only checked: then nothing may connect or run
  Background* background =
      nullptr;  // main thread, while a generation is made to be run; null in `check` and on workers
  net::Resolver* resolver = nullptr;  // of the worker; null where loop is

  // Which headers of a request no backend gets; one a config.
  std::shared_ptr<http::HeaderGuard> header_guard() const {
    return generation.get<http::HeaderGuard>(
        "headers.guard", [&] { return std::make_shared<http::HeaderGuard>(model.http.untrusted_headers); });
  }

  // Whoever asks Principal::claim() for a name adds it here while it is made; one a worker and config.
  std::shared_ptr<ClaimNames> claim_names() const {
    return snapshot.get<ClaimNames>("authenticate.claims", [] { return std::make_shared<ClaimNames>(); });
  }

  // True where this config's files must be read now: on the main thread, in `check` and in the first pass of
  // run.
  bool checking() const noexcept { return loop == nullptr; }
};

}  // namespace sallyport
