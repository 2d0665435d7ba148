// Socket: a connected libuv stream (TCP or unix), its reads and its writes. The transports stand on it. One
// worker's thread.
//
// libuv's handle lives on the heap until libuv has let go of it; the Socket may be destroyed at any time,
// also in one of its own callbacks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "gateway/async/loop.h"
#include "gateway/async/task.h"
#include "gateway/base/bytes.h"
#include "gateway/base/error.h"
#include "gateway/base/fd.h"
#include "gateway/net/connect.h"

struct uv_stream_s;

namespace sallyport::net {

// Each may destroy the Socket.
class SocketOwner {
 public:
  virtual std::span<char> on_alloc() = 0;  // room for the next read; empty: stop reading
  virtual void on_read(size_t bytes) = 0;  // so many are in that room now
  virtual void on_read_end() = 0;          // FIN
  // Reset or another failure; after one of writing, what the peer has sent is still read.
  virtual void on_broken(Error error) = 0;
  virtual void on_drained() = 0;  // nothing is queued any more

 protected:
  ~SocketOwner() = default;
};

class Socket {
 public:
  enum class Kind : uint8_t { tcp, unix_path };
  Socket(Loop& loop, Kind kind);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();  // closes at once

  // Instead of connecting: this has been accepted. False: it cannot be used, and is closed.
  bool take(Fd accepted);
  // The Socket outlives the task. Errors: connection_refused, timed_out, io.
  Task<Result<void>> connect(SocketAddress to, Monotonic deadline);

  void set_owner(SocketOwner* owner) noexcept;
  void start_reading();
  // Reads no more, and has no owner, until both are set again.
  void pause() noexcept;
  // All bytes are taken: what the kernel refuses is queued. Errors: connection_reset, io.
  Result<void> write(std::span<const Slice> pieces);
  size_t queued() const noexcept;
  // FIN behind what is queued.
  void close_output();

  // Whether closing it resets the connection; a unix socket just closes.
  void reset_at_end(bool on) noexcept;
  void acknowledge_now() noexcept;  // as stream.h has it
  // The peer's numeric address; "unix" for a unix socket.
  std::string peer() const;
  uv_stream_s* raw() noexcept;

  struct Impl;

 private:
  Impl* impl_;
};

// A system error of libuv as ours.
Error socket_error(int status);

}  // namespace sallyport::net
