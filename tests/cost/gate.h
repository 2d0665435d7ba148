// Gate: the gateway without its sockets: a config's routes and plugins, and an HTTP/1.1 connection in memory
// in front of them. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "gateway/base/bytes.h"
#include "tests/cost/input.h"

namespace sallyport::cost {

class Gate {
 public:
  // config: what stands behind `listeners`; files: by name, beside the config.
  explicit Gate(const std::string& config, const std::map<std::string, std::string>& files = {});
  ~Gate();

  // Sends the bytes over a connection of their own, in pieces of that size, and gives the status of the
  // answer; 0 for none.
  int ask(Slice bytes, size_t piece = 16 * 1024);

  // A route for everything, with these lines of its own, that answers by itself.
  static std::string one_route(const std::string& lines);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// An input that a gate is asked with; as_meant: the status that tells that it got where it should.
Input asked(std::string name, size_t size, std::shared_ptr<Gate> gate, int as_meant,
            std::function<std::string(size_t)> request, size_t piece = 16 * 1024);

std::string get(const std::string& target, const std::string& headers = "");
std::string post(const std::string& content, const std::string& headers = "");

}  // namespace sallyport::cost
