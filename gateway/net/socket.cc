#include "gateway/net/socket.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "gateway/async/signal.h"

namespace sallyport::net {
namespace {

constexpr int reads_max = 32;  // of one socket, before others have their turn

}  // namespace

// What is read and what the kernel takes at once goes by recv() and send(), which cost less than the read()
// and write() of libuv; libuv waits, and writes what has to wait.
struct Socket::Impl {
  explicit Impl(Loop& on) : loop(on), in_flight(on.blocks()), pending(on.blocks()) {}
  Loop& loop;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  uv_write_t write_request;
  uv_connect_t connect_request;
  SocketOwner* owner = nullptr;
  WaitUntil* connecting = nullptr;
  int connect_status = 0;
  Buffer in_flight;  // libuv reads it until on_written
  Buffer pending;    // what came while that was under way
  int lost = 0;      // how the connection was lost, as a write was told: the kernel tells it once
  bool is_unix = false;
  bool reading = false;
  bool output_closing = false;
  bool resets = false;  // at its end
  bool closed = false;

  static Impl& of(void* data) { return *static_cast<Impl*>(data); }
  int fd() const noexcept;
  void stop_reading() noexcept;
  void readable();
  ssize_t send(std::span<iovec> pieces) noexcept;  // bytes, or what is wrong, which is below 0
  int flush();                                     // 0, or what is wrong
  void written(int status);
  void broken(int status);
  void shut_down();
};

int Socket::Impl::fd() const noexcept {
  uv_os_fd_t number = -1;
  uv_fileno(&handle, &number);
  return number;
}

Error socket_error(int status) {
  switch (status) {
    case UV_ECONNREFUSED:
    case UV_ENOENT:
      return {Code::connection_refused, "connection_refused", uv_strerror(status)};
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_ECONNABORTED:
    case UV_ENOTCONN:
      return {Code::connection_reset, "connection_reset", uv_strerror(status)};
    case UV_ETIMEDOUT:
      return {Code::timed_out, "timeout", uv_strerror(status)};
    default:
      return {Code::io, "socket_error", uv_strerror(status)};
  }
}

Socket::Socket(Loop& loop, Kind kind) : impl_(new Impl(loop)) {
  impl_->is_unix = kind == Kind::unix_path;
  if (impl_->is_unix) {
    uv_pipe_init(loop.raw(), &impl_->pipe, 0);
  } else {
    uv_tcp_init(loop.raw(), &impl_->tcp);
  }
  impl_->handle.data = impl_;
}

Socket::~Socket() {
  impl_->owner = nullptr;
  impl_->connecting = nullptr;
  impl_->closed = true;
  impl_->reading = false;
  if (impl_->resets) {
    const linger none{1, 0};
    setsockopt(impl_->fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  uv_close(&impl_->handle, [](uv_handle_t* handle) { delete &Impl::of(handle->data); });
}

void Socket::set_owner(SocketOwner* owner) noexcept { impl_->owner = owner; }
uv_stream_s* Socket::raw() noexcept { return &impl_->stream; }
size_t Socket::queued() const noexcept { return impl_->in_flight.size() + impl_->pending.size(); }

bool Socket::take(Fd accepted) {
  const int status =
      impl_->is_unix ? uv_pipe_open(&impl_->pipe, accepted.get()) : uv_tcp_open(&impl_->tcp, accepted.get());
  if (status == 0) static_cast<void>(accepted.release());
  return status == 0;
}

Task<Result<void>> Socket::connect(SocketAddress to, Monotonic deadline) {
  WaitUntil connected(impl_->loop, deadline);
  auto done = [](uv_connect_t* request, int status) {
    Impl& impl = Impl::of(request->data);
    impl.connect_status = status;
    if (impl.connecting != nullptr) std::exchange(impl.connecting, nullptr)->notify();
  };
  impl_->connect_request.data = impl_;
  int status = 0;
  if (impl_->is_unix) {
    if (to.host.size() >= sizeof(sockaddr_un::sun_path))
      co_return std::unexpected(socket_error(UV_ENAMETOOLONG));
    uv_pipe_connect(&impl_->connect_request, &impl_->pipe, to.host.c_str(), done);
  } else {
    sockaddr_storage address{};
    const bool v6 = to.host.find(':') != std::string::npos;
    status = v6 ? uv_ip6_addr(to.host.c_str(), to.port, reinterpret_cast<sockaddr_in6*>(&address))
                : uv_ip4_addr(to.host.c_str(), to.port, reinterpret_cast<sockaddr_in*>(&address));
    if (status == 0) {
      status =
          uv_tcp_connect(&impl_->connect_request, &impl_->tcp, reinterpret_cast<sockaddr*>(&address), done);
    }
  }
  if (status != 0) co_return std::unexpected(socket_error(status));
  const WaitSlot slot(impl_->connecting, connected);
  const bool in_time = co_await connected;
  if (!in_time) co_return fail(Code::timed_out, "timeout", "no connection in time");
  if (impl_->connect_status != 0) co_return std::unexpected(socket_error(impl_->connect_status));
  if (!impl_->is_unix) uv_tcp_nodelay(&impl_->tcp, 1);
  co_return Result<void>{};
}

// libuv is given no room, so that it only tells when there is something to read (UV_ENOBUFS).
void Socket::start_reading() {
  impl_->reading = true;
  uv_read_start(
      &impl_->stream, [](uv_handle_t*, size_t, uv_buf_t* buf) { *buf = uv_buf_init(nullptr, 0); },
      [](uv_stream_t* stream, ssize_t, const uv_buf_t*) { Impl::of(stream->data).readable(); });
}

void Socket::pause() noexcept {
  impl_->stop_reading();
  impl_->owner = nullptr;
}

void Socket::Impl::stop_reading() noexcept {
  reading = false;
  uv_read_stop(&stream);
}

// As much as there is, while the owner takes it.
void Socket::Impl::readable() {
  bool filled = true;
  for (int turns = 0; turns < reads_max && filled && reading; ++turns) {
    const std::span<char> room = owner->on_alloc();
    if (!reading) return;
    if (room.empty()) return stop_reading();
    const ssize_t bytes = recv(fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (bytes > 0) {
      filled = static_cast<size_t>(bytes) == room.size();
      owner->on_read(static_cast<size_t>(bytes));
    } else if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    } else {
      const int status = bytes == 0 ? lost : uv_translate_sys_error(errno);
      stop_reading();
      if (status != 0) return owner->on_broken(socket_error(status));
      return owner->on_read_end();
    }
  }
}

Result<void> Socket::write(std::span<const Slice> pieces) {
  std::array<iovec, 8> at_once;
  unsigned count = 0;
  size_t total = 0;
  for (Slice piece : pieces) {
    if (piece.empty()) continue;
    total += piece.size();
    at_once[count++] = {const_cast<char*>(piece.data()), piece.size()};
    if (count == at_once.size()) break;
  }
  size_t taken = 0;
  if (queued() == 0 && count > 0) {
    const ssize_t sent = impl_->send(std::span(at_once).first(count));
    if (sent < 0 && sent != UV_EAGAIN) return std::unexpected(socket_error(static_cast<int>(sent)));
    taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    if (taken == total && count < at_once.size()) return {};
  }
  for (Slice piece : pieces) {
    const size_t skip = std::min(taken, piece.size());
    taken -= skip;
    impl_->pending.append(piece.substr(skip));
  }
  if (const int status = impl_->flush(); status < 0) return std::unexpected(socket_error(status));
  return {};
}

ssize_t Socket::Impl::send(std::span<iovec> pieces) noexcept {
  constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  ssize_t sent = -1;
  do {
    sent = pieces.size() == 1 ? ::send(fd(), pieces[0].iov_base, pieces[0].iov_len, flags)
                              : sendmsg(fd(), &message, flags);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return sent;
  if (errno == EAGAIN || errno == ENOBUFS) return UV_EAGAIN;
  const int status = uv_translate_sys_error(errno);
  if (status != UV_EPIPE) lost = status;  // EPIPE: the peer's end had come before, and is one
  return status;
}

int Socket::Impl::flush() {
  if (!in_flight.empty() || pending.empty()) return 0;
  std::swap(in_flight, pending);
  write_request.data = this;
  uv_buf_t buf = uv_buf_init(in_flight.data(), static_cast<unsigned>(in_flight.size()));
  const int status = uv_write(&write_request, &stream, &buf, 1,
                              [](uv_write_t* request, int result) { of(request->data).written(result); });
  if (status < 0) in_flight.release();
  return status;
}

void Socket::Impl::written(int status) {
  in_flight.release();
  if (closed) return;
  if (status < 0) {  // what the peer has said before that comes first
    if (status != UV_EPIPE) lost = status;
    if (reading) readable();
    return closed ? void() : broken(status);
  }
  if (!pending.empty()) {
    if (const int again = flush(); again < 0) broken(again);
    return;
  }
  if (output_closing) shut_down();
  if (owner != nullptr) owner->on_drained();
}

void Socket::Impl::broken(int status) {
  pending.release();
  if (owner != nullptr) owner->on_broken(socket_error(status));
}

// Nothing is queued: at once, not by uv_shutdown(), which waits a turn of the loop and two epoll_ctl for it.
void Socket::Impl::shut_down() { shutdown(fd(), SHUT_WR); }

void Socket::close_output() {
  if (std::exchange(impl_->output_closing, true)) return;
  if (queued() == 0) impl_->shut_down();
}

void Socket::reset_at_end(bool on) noexcept { impl_->resets = on; }

void Socket::acknowledge_now() noexcept {
  const int on = 1;
  if (!impl_->is_unix) setsockopt(impl_->fd(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

std::string Socket::peer() const {
  if (impl_->is_unix) return "unix";
  sockaddr_storage address{};
  int size = sizeof address;
  std::array<char, 64> text{};
  if (uv_tcp_getpeername(&impl_->tcp, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "unknown";
  if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      uv_inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text.data(), text.size());
    } else {
      uv_ip6_name(v6, text.data(), text.size());
    }
  } else {
    uv_ip4_name(reinterpret_cast<const sockaddr_in*>(&address), text.data(), text.size());
  }
  return text.data();
}

}  // namespace sallyport::net
