// TcpServer: a listener on loopback with a thread for each connection; what the scripted servers of stories
// stand on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {

// What arrives over a socket; every read blocks until it has what it wants, and gives nothing at the end.
class Received {
 public:
  explicit Received(int fd) : fd_(fd) {}
  // Up to the mark, and the mark.
  std::optional<std::string> until(const std::string& mark);
  std::optional<std::string> exactly(size_t count);
  // Reads that much, and keeps the first part of it.
  std::optional<std::string> content(uint64_t count, size_t kept_max);
  // What is there, or comes next; empty at the end.
  std::string some();

 private:
  std::string take(size_t count);
  bool fill();

  int fd_;
  std::string bytes_;
};

// False if the peer does not take it.
bool send_all(int fd, const std::string& bytes, size_t from = 0);

// Where a server listens: another address of this machine, say, with the port of the one before, for a
// backend that moves.
struct Place {
  std::string address = "127.0.0.1";
  int port = 0;  // 0: the system chooses
};

class TcpServer {
 public:
  // Serves a connection on its thread until it returns; then the connection is shut down, while its
  // descriptor stays. number: 1 for the first.
  using Serve = std::function<void(int fd, int number)>;
  explicit TcpServer(Serve serve, const Place& place = {});
  ~TcpServer();  // ends every connection, and waits for the threads
  TcpServer(const TcpServer&) = delete;

  int port() const { return port_; }
  int connections() const { return connections_; }
  // Sends bytes that nobody has asked for over the connection of that number.
  void send_unasked(int connection, const std::string& bytes);

 private:
  void accept_all();

  Serve serve_;
  int listener_;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::vector<int> open_;
  std::atomic<int> connections_{0};
  std::thread acceptor_;
};

}  // namespace sallyport::test
