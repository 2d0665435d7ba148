// Admin: what operators and orchestrators ask: /metrics /healthz /readyz /config /routes. On the main
// thread's loop, without TLS: its address is meant to be loopback or a pod's own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/nursery.h"
#include "gateway/net/listener.h"

namespace sallyport::server {

// Where the answers come from. Called on the main thread.
class AdminSource {
 public:
  virtual std::string metrics() = 0;                         // Prometheus text
  virtual std::vector<std::string> not_alive_reasons() = 0;  // empty: alive
  virtual std::vector<std::string> not_ready_reasons() = 0;  // empty: ready
  virtual std::string config_text() = 0;                     // YAML, secrets hidden
  virtual std::string routes_text() = 0;                     // JSON

 protected:
  ~AdminSource() = default;
};

class Admin {
 public:
  Admin(Loop& loop, Fd socket, AdminSource& source);
  ~Admin();

 private:
  static constexpr size_t connections_max = 16;  // a page may be large
  Task<> serve_connection(net::AcceptedSocket socket);

  Loop& loop_;
  AdminSource& source_;
  net::Listener listener_;
  Nursery connections_;
};

}  // namespace sallyport::server
