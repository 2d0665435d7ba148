// FakeRedis: a Redis server that a story scripts: it reads each command, and answers what the story says.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/tcp_server.h"

namespace sallyport::test {

class FakeRedis {
 public:
  using Words = std::vector<std::string>;
  // The reply to a command, byte for byte; "" closes the connection. connection: 1 for the first.
  using Answer = std::function<std::string(const Words& words, int connection)>;
  explicit FakeRedis(Answer answer);
  FakeRedis(const FakeRedis&) = delete;

  int port() const { return server_.port(); }
  int connections() const { return server_.connections(); }
  // How often a command of that name has come.
  int count(const std::string& command) const;

  // The reply to a call of a script, which bears the call's number.
  static std::string answer(const Words& call, const std::string& reply);
  // What a good server says to all that the gateway asks: a request of a limit passes.
  static std::string good(const Words& words);

 private:
  void serve(int fd, int number);

  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<std::string> commands_;
  TcpServer server_;  // last: its threads use the others
};

}  // namespace sallyport::test
