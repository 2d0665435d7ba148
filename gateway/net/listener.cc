#include "gateway/net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "gateway/async/timer.h"

namespace sallyport::net {
namespace {

// What the kernel takes of a connection beyond what its client lets it send: thousands that do not read must
// not cost megabytes each.
constexpr int unsent_max = 128 * 1024;

constexpr int backlog_default = 4096;
constexpr int accepts_max = 64;  // before others have their turn
constexpr Duration accept_again = milliseconds(100);

std::unexpected<Error> system_failure() {
  const int cause = errno;
  return fail(Code::io, cause == EADDRINUSE ? "address_in_use" : "bind_failed", std::strerror(cause));
}

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
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
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
  Result<Fd> probe = bound_tcp(host, port, false);
  if (probe) return {};
  if (probe.error().reason == "address_in_use" && bound_tcp(host, port, true))
    probe.error().reason = "address_shared";
  return std::unexpected(std::move(probe.error()));
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

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
  struct stat file{};
  if (lstat(path_.c_str(), &file) != 0) path_.clear();
  device_ = file.st_dev;
  inode_ = file.st_ino;
}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  if (this == &other) return *this;
  remove();
  path_ = std::exchange(other.path_, {});
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

bool SocketFile::is(const struct stat& file) const noexcept {
  return file.st_dev == device_ && file.st_ino == inode_;
}

bool SocketFile::is_lost() const noexcept {
  if (path_.empty()) return false;
  struct stat file{};
  if (lstat(path_.c_str(), &file) != 0) return errno == ENOENT || errno == ENOTDIR;
  return !is(file);
}

void SocketFile::remove() noexcept {
  struct stat file{};
  if (!path_.empty() && lstat(path_.c_str(), &file) == 0 && is(file)) unlink(path_.c_str());
  path_.clear();
}

uint16_t bound_port(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  return 0;
}

int descriptors_for_clients() noexcept {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return std::numeric_limits<int>::max();
  const rlim_t clients = files.rlim_cur - std::min(files.rlim_cur / 8, rlim_t{1024});
  return static_cast<int>(std::min<rlim_t>(clients, std::numeric_limits<int>::max()));
}

struct Listener::Impl {
  Impl(Loop& on, Fd listening, int number)
      : loop(on), socket(std::move(listening)), below(number), again(on, &Impl::go_on, this) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    if (address.ss_family == AF_UNIX) kind = Socket::Kind::unix_path;
    uv_poll_init(loop.raw(), &poll, socket.get());
    poll.data = this;
  }
  Loop& loop;
  Fd socket;
  const int below;
  Socket::Kind kind = Socket::Kind::tcp;
  uv_poll_t poll;
  Fd reserve = reserved();  // given up for a moment to accept, and close, what there is no descriptor for
  Timer again;
  std::function<void(AcceptedSocket)> accepted;
  std::function<void()> closed;

  static Fd reserved() { return Fd(open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY)); }
  Fd next() { return Fd(accept4(socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)); }
  void go_on_accepting();
  void accept_some(int most = accepts_max);
  void without_descriptor();

  static void ready(uv_poll_t* poll, int, int) { static_cast<Impl*>(poll->data)->accept_some(); }
  static void go_on(void* self) { static_cast<Impl*>(self)->go_on_accepting(); }
};

void Listener::Impl::go_on_accepting() { uv_poll_start(&poll, UV_READABLE, &Impl::ready); }

void Listener::Impl::accept_some(int most) {
  for (int i = 0; i < most && uv_is_active(reinterpret_cast<uv_handle_t*>(&poll)) != 0; ++i) {
    Fd connection = next();
    if (!connection && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!connection && errno != EAGAIN) return without_descriptor();
    if (!connection) return;
    if (connection.get() >= below) {
      connection.reset();
      if (closed) closed();
      continue;
    }
    const int number = connection.get();
    auto taken = std::make_unique<Socket>(loop, kind);
    if (taken->take(std::move(connection))) accepted(AcceptedSocket(std::move(taken), number));
  }
}

// Whoever is refused at once can go elsewhere, or come again. Where not even that is possible, they wait, and
// the loop does not turn for them all the time.
void Listener::Impl::without_descriptor() {
  reserve.reset();
  const bool one_less = static_cast<bool>(next());
  reserve = reserved();
  if (one_less) {
    if (closed) closed();
    return;
  }
  uv_poll_stop(&poll);
  again.arm_after(accept_again);
}

Listener::Listener(Loop& loop, Fd socket, int below) : impl_(new Impl(loop, std::move(socket), below)) {}

// The handle lives until libuv has let go of it.
Listener::~Listener() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->poll),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
  impl_->again.disarm();
  impl_->socket.reset();
}

void Listener::on_accept(std::function<void(AcceptedSocket)> accepted, std::function<void()> closed) {
  impl_->accepted = std::move(accepted);
  impl_->closed = std::move(closed);
  impl_->go_on_accepting();
}

void Listener::accept_waiting() { impl_->accept_some(backlog_default); }

}  // namespace sallyport::net
