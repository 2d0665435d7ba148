// Gateway: the real binary with a config of the story's, on ports that the system chooses, with a clock that
// the story moves.
#pragma once

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "tests/support/client.h"
#include "tests/support/process.h"

namespace sallyport::test {

// The program under test; the environment may name another build of it.
inline std::string binary() {
  const char* other = std::getenv("SALLYPORT_BINARY");
  return other != nullptr ? other : SALLYPORT_BINARY;
}

// Certificates and keys made once for the whole run: tls.crt/tls.key for localhost and api.test,
// other.crt/other.key for other.test, ca.crt with client.crt/client.key signed by it.
const TempDir& certificates();

struct GatewayOptions {
  std::string edge_tls;        // what stands in listeners[edge].tls; empty: the certificate of api.test
  std::string more_listeners;  // lines of the list
  std::string workers = "1";
  std::string sanitizer;  // more of its options
};

class Gateway {
 public:
  // The part of the config behind listeners, admin and log; TLS listener "edge", plain one "mesh".
  // before_start may add files to dir.
  explicit Gateway(const std::string& config, const std::function<void(const TempDir&)>& before_start = {},
                   GatewayOptions options = {});
  ~Gateway();

  int port(const std::string& listener = "edge") const;
  std::unique_ptr<Client> connect(ClientOptions options = {}) const {
    return std::make_unique<Client>(port(), options);
  }
  // One request on a connection of its own.
  Response ask(const std::string& request) const { return connect()->ask(request); }
  Response admin(const std::string& path) const;
  // True if the sample is there with that value: `sallyport_x{a="b"} 1`.
  bool has_metric(const std::string& sample) const;

  void advance(std::chrono::nanoseconds by);  // moves its clocks
  void rewrite_config(const std::string& config, const std::string& more_listeners = "");
  // Changes the first such text of the config as it stands on disk, and has it read.
  void change(const std::string& from, const std::string& to);
  void reload() { process_->signal(1); }
  int stop();  // SIGTERM, and its exit status
  // The access-log line that has all these texts, waited for; "" if it never came.
  std::string log_line(const std::string& with, const std::string& and_with = "") const;
  std::string errors() const { return process_->err(); }
  // True if the error log tells that; waited for, as a line is written out within a second.
  bool told(const std::string& text) const;
  Process& process() { return *process_; }
  const TempDir& dir() const { return dir_; }

 private:
  std::string whole(const std::string& config) const;
  TempDir dir_;
  GatewayOptions options_;
  std::chrono::nanoseconds shift_{0};
  std::unique_ptr<Process> process_;
};

}  // namespace sallyport::test
