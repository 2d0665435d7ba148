// FakeRedis: a Redis server that a story scripts: it reads each command, and answers what the story says.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {

class FakeRedis {
 public:
  using Words = std::vector<std::string>;
  // The reply to a command, byte for byte; "" closes the connection. connection: 1 for the first.
  using Answer = std::function<std::string(const Words& words, int connection)>;
  explicit FakeRedis(Answer answer);
  ~FakeRedis();
  FakeRedis(const FakeRedis&) = delete;

  int port() const { return port_; }
  int connections() const { return connections_; }
  // How often a command of that name has come.
  int count(const std::string& command) const;

  // What a good server says to all that the gateway asks: a request of a limit passes.
  static std::string good(const Words& words);

 private:
  void accept_all();
  void serve(int fd, int number);

  Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> commands_;
  std::vector<std::thread> threads_;
  std::vector<int> open_;
  std::atomic<int> connections_{0};
  std::thread acceptor_;
};

}  // namespace sallyport::test
