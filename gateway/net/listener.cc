#include "gateway/net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace sallyport::net {
namespace {

// What the kernel takes of a connection beyond what its client lets it send: thousands that do not read must
// not cost megabytes each.
constexpr int unsent_max = 128 * 1024;

constexpr int backlog_default = 4096;

std::unexpected<Error> system_failure() { return fail(Code::io, "bind_failed", std::strerror(errno)); }

// True only if the kernel says that nobody is there; what we may not connect to may well be somebody's.
bool nobody_listens(const sockaddr_un& address) {
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return false;
  return errno == ECONNREFUSED || errno == ENOENT;
}

// Bound, not listening yet.
Result<Fd> bound_tcp(const std::string& host, uint16_t port, bool reuse_port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* first = nullptr;
  if (const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &first);
      status != 0) {
    return fail(Code::name_not_resolved, "name_not_resolved", gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> found(first, &freeaddrinfo);
  Fd s(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1, off = 0;
  if (s && found->ai_family == AF_INET6) {  // [::] takes IPv4 too, whatever the system's default is
    setsockopt(s.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  const bool bound =
      s && setsockopt(s.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      setsockopt(s.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&  // its connections inherit both
      setsockopt(s.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max) == 0 &&
      (!reuse_port || setsockopt(s.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
      bind(s.get(), found->ai_addr, found->ai_addrlen) == 0;
  if (!bound) return system_failure();
  return s;
}

}  // namespace

Result<Fd> bind_tcp(const std::string& host, uint16_t port, bool reuse_port, int backlog) {
  Result<Fd> s = bound_tcp(host, port, reuse_port);
  if (s && listen(s->get(), backlog) != 0) return system_failure();
  return s;
}

Result<void> nobody_listens(const std::string& host, uint16_t port) {
  const Result<Fd> probe = bound_tcp(host, port, false);
  if (!probe) return std::unexpected(probe.error());
  return {};
}

Result<Fd> bind_unix(const std::string& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Code::io, "bind_failed", "the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (!nobody_listens(address)) return fail(Code::io, "bind_failed", "another process listens there");
  struct stat old{};
  if (lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path.c_str());
  Fd s(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool bound = s && bind(s.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     chmod(path.c_str(), mode) == 0 && listen(s.get(), backlog_default) == 0;
  if (!bound) return system_failure();
  return s;
}

uint16_t bound_port(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  return 0;
}

struct Listener::Impl {
  explicit Impl(Loop& on) : loop(on) {}
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  Loop& loop;
  Listener* owner = nullptr;
  bool is_unix = false;
  bool listening = false;
  std::function<void(AcceptedSocket)> accepted;

  void accept(int status) {
    if (status < 0 || owner == nullptr) return;  // the kernel's trouble with one connection; others follow
    auto socket = std::make_unique<Socket>(loop, is_unix ? Socket::Kind::unix_path : Socket::Kind::tcp);
    if (uv_accept(&stream, socket->raw()) != 0) return;
    accepted(AcceptedSocket(std::move(socket)));
  }
};

Listener::Listener(Loop& loop, Fd socket) : impl_(new Impl(loop)) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  impl_->is_unix = address.ss_family == AF_UNIX;
  if (impl_->is_unix) {
    uv_pipe_init(loop.raw(), &impl_->pipe, 0);
    uv_pipe_open(&impl_->pipe, socket.release());
  } else {
    uv_tcp_init(loop.raw(), &impl_->tcp);
    uv_tcp_open(&impl_->tcp, socket.release());
  }
  impl_->handle.data = impl_;
  impl_->owner = this;
}

Listener::~Listener() {
  impl_->owner = nullptr;
  uv_close(&impl_->handle, [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

void Listener::on_accept(std::function<void(AcceptedSocket)> accepted) {
  impl_->accepted = std::move(accepted);
  if (std::exchange(impl_->listening, true)) return;
  uv_listen(&impl_->stream, backlog_default,
            [](uv_stream_t* stream, int status) { static_cast<Impl*>(stream->data)->accept(status); });
}

}  // namespace sallyport::net
