#include "tests/support/gateway.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace sallyport::test {

const TempDir& certificates() {
  static const TempDir dir;
  static const bool made = [] {
    const std::string d = dir.path() + "/";
    const auto openssl = [&](const std::string& arguments) {
      const std::string command = "cd " + dir.path() + " && openssl " + arguments + " >/dev/null 2>&1";
      if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl: " + arguments);
    };
    const std::string fresh = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 ";
    openssl(fresh +
            "-keyout tls.key -out tls.crt -subj /CN=api.test -addext "
            "subjectAltName=DNS:api.test,DNS:localhost,IP:127.0.0.1");
    openssl(fresh +
            "-keyout other.key -out other.crt -subj /CN=other.test -addext subjectAltName=DNS:*.other.test");
    openssl(fresh + "-keyout ca.key -out ca.crt -subj /CN=ca.test");
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -out client.csr -subj "
        "/CN=client.test");
    openssl("x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out client.crt");
    return true;
  }();
  return made ? dir : dir;
}

std::string Gateway::whole(const std::string& config) const {
  const std::string c = certificates().path();
  const std::string tls = options_.edge_tls.empty()
                              ? "certificates: [ { cert: " + c + "/tls.crt, key: " + c + "/tls.key } ]"
                              : options_.edge_tls;
  return "version: 1\nworkers: " + options_.workers +
         "\nlisteners:\n  - { name: edge, address: \"127.0.0.1:0\", tls: { " + tls +
         " } }\n  - { name: mesh, address: \"127.0.0.1:0\", plaintext: true }\n"
         "  - { name: redirect, address: \"127.0.0.1:0\", redirect: https }\n" +
         options_.more_listeners + "admin: { address: \"127.0.0.1:0\" }\n" +
         (config.find("log:") == std::string::npos ? "log: { access: { to: \"file:access.log\" } }\n" : "") +
         config;
}

Gateway::Gateway(const std::string& config, const std::function<void(const TempDir&)>& before_start,
                 GatewayOptions options)
    : options_(std::move(options)) {
  dir_.write("clock", std::string(8, '\0'));
  dir_.write("gateway.yaml", whole(config));
  if (before_start) before_start(dir_);
  process_ = std::make_unique<Process>(
      dir_, "gateway", std::vector<std::string>{binary(), "run", dir_.path("gateway.yaml")},
      std::map<std::string, std::string>{
          {"SALLYPORT_TEST_CLOCK", dir_.path("clock")},
          {"KEY_PEPPER", "a pepper of tests"},
          // freed memory goes back soon, so that a story can look at it
          {"ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:" + options_.sanitizer},
          {"TSAN_OPTIONS", options_.sanitizer}});
  eventually([&] { return errors().find(" started ") != std::string::npos || !process_->running(); });
  if (!process_->running()) throw std::runtime_error("the gateway did not start:\n" + errors());
}

Gateway::~Gateway() {
  if (process_ == nullptr || !process_->running()) return;
  process_->signal(SIGTERM);
  advance(std::chrono::hours(1));  // whatever it still waits for is over
  const int status = process_->wait();
  if (status == 0) return;
  std::fprintf(stderr, "the gateway ended with %d:\n%s\n", status, errors().c_str());
  std::abort();  // a sanitizer's finding, or a hang
}

int Gateway::port(const std::string& listener) const {
  const std::string log = errors(), mark = "listening name=" + listener + " address=";
  const size_t at = log.find(mark);
  if (at == std::string::npos) throw std::runtime_error("no listener " + listener + ":\n" + log);
  const size_t end = log.find('\n', at);
  return std::atoi(log.substr(log.rfind(':', end) + 1).c_str());
}

Response Gateway::admin(const std::string& path) const {
  Client client(port("admin"), {.tls = false});
  return client.ask(get(path));
}

bool Gateway::has_metric(const std::string& sample) const {
  return eventually([&] { return admin("/metrics").body.find("\n" + sample + "\n") != std::string::npos; });
}

bool Gateway::told(const std::string& text) const {
  return eventually([&] { return errors().find(text) != std::string::npos; });
}

void Gateway::advance(std::chrono::nanoseconds by) {
  shift_ += by;
  const int64_t value = shift_.count();
  const int fd = open(dir_.path("clock").c_str(), O_WRONLY);
  if (pwrite(fd, &value, sizeof value, 0) != sizeof value)
    throw std::runtime_error("the clock cannot be moved");
  close(fd);
}

void Gateway::rewrite_config(const std::string& config, const std::string& more_listeners) {
  options_.more_listeners = more_listeners;
  dir_.write("gateway.yaml", whole(config));
}

void Gateway::change(const std::string& from, const std::string& to) {
  std::string text = dir_.read("gateway.yaml");
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("the config has no " + from);
  dir_.write("gateway.yaml", text.replace(at, from.size(), to));
  reload();
}

int Gateway::stop() {
  process_->signal(SIGTERM);
  return process_->wait();
}

std::string Gateway::log_line(const std::string& with, const std::string& and_with) const {
  std::string found;
  eventually([&] {
    std::istringstream lines(dir_.read("access.log"));
    for (std::string line; std::getline(lines, line);) {
      if (line.find(with) != std::string::npos && line.find(and_with) != std::string::npos &&
          line.ends_with('}'))
        found = line;
    }
    return !found.empty();
  });
  return found;
}

}  // namespace sallyport::test
