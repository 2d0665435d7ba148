// Listener: a bound socket on which connections are accepted, and the binding itself.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "gateway/async/loop.h"
#include "gateway/base/error.h"
#include "gateway/base/fd.h"
#include "gateway/net/socket.h"

struct stat;

namespace sallyport::net {

// Binds and listens, with SO_REUSEPORT if asked, so that several workers can have one address. host: numeric,
// without brackets. Errors: io, with the system's words.
Result<Fd> bind_tcp(const std::string& host, uint16_t port, bool reuse_port, int backlog);
// An error if anybody listens there, with SO_REUSEPORT or without: with it, a bind would take a part of their
// connections. Its reason is address_shared where that can be had.
Result<void> nobody_listens(const std::string& host, uint16_t port);
// A unix socket; one that nobody listens on any more is replaced. The mode is that of the file.
Result<Fd> bind_unix(const std::string& path, unsigned mode);
// The file of a unix socket that this process has bound: goes with its owner, unless another one has taken
// its place.
class SocketFile {
 public:
  SocketFile() = default;
  explicit SocketFile(std::string path);
  SocketFile(SocketFile&& other) noexcept { *this = std::move(other); }
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile() { remove(); }
  // True once the path is gone, or another's: whoever connects does not come here.
  bool is_lost() const noexcept;

 private:
  bool is(const struct stat& file) const noexcept;
  void remove() noexcept;
  std::string path_;  // empty: none
  uint64_t device_ = 0, inode_ = 0;
};

// The port that a bound socket has.
uint16_t bound_port(int socket);

// Below which the connections of clients may have their descriptors (Listener): what lies above, an eighth of
// what the process may open and 1024 at most, is kept for files, backends, stores and the admin port.
int descriptors_for_clients() noexcept;

// A connection that has just been accepted.
class AcceptedSocket {
 public:
  AcceptedSocket(std::unique_ptr<Socket> socket, int descriptor) noexcept
      : socket_(std::move(socket)), descriptor_(descriptor) {}
  // Its number: all below it were taken when it was accepted.
  int descriptor() const noexcept { return descriptor_; }
  std::string peer() const { return socket_->peer(); }
  Socket& socket() noexcept { return *socket_; }
  std::unique_ptr<Socket> take() noexcept { return std::move(socket_); }

 private:
  std::unique_ptr<Socket> socket_;
  int descriptor_;
};

class Listener {
 public:
  // Accepts once on_accept has been called. socket: that listens. A connection whose descriptor would not be
  // below that number is closed at once: the system gives the lowest that is free, so all below are taken.
  Listener(Loop& loop, Fd socket, int below = std::numeric_limits<int>::max());
  Listener(const Listener&) = delete;
  ~Listener();

  // `accepted` is called for each connection; it may destroy the Listener. `closed`, for each that was closed
  // at once, as there is no descriptor left for it. Calling again replaces them.
  void on_accept(std::function<void(AcceptedSocket)> accepted, std::function<void()> closed = {});
  // Accepts who waits in the backlog, all at once: what is left there when this is destroyed is reset.
  void accept_waiting();

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace sallyport::net
