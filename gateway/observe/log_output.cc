#include "gateway/observe/log_output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

namespace sallyport::observe {
namespace {

constexpr size_t piece_max = 64 * 1024;
constexpr int open_flags = O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// Up to PIPE_BUF bytes are written whole or not at all (POSIX, write()): as many lines as fit.
Slice whole_lines(Slice bytes) noexcept {
  const size_t end = bytes.substr(0, PIPE_BUF).rfind('\n');
  if (end != Slice::npos) return bytes.substr(0, end + 1);
  const size_t first = bytes.find('\n');  // one that is longer goes in parts
  return bytes.substr(0, std::min<size_t>(first == Slice::npos ? bytes.size() : first + 1, PIPE_BUF));
}

// A pipe is opened for both directions: it then needs no reader, and keeps its lines while none is there.
// Whoever may only write to it needs one (fifo(7)).
Fd open_file(const std::string& path) {
  constexpr mode_t mode = 0640;
  struct stat what{};
  if (stat(path.c_str(), &what) == 0 && S_ISFIFO(what.st_mode)) {
    Fd both(::open(path.c_str(), (open_flags & ~O_ACCMODE) | O_RDWR));
    if (both || errno != EACCES) return both;
  }
  Fd readable(::open(path.c_str(), (open_flags & ~O_ACCMODE) | O_RDWR | O_APPEND | O_CREAT, mode));
  if (readable || errno != EACCES) return readable;
  return Fd(::open(path.c_str(), open_flags | O_APPEND | O_CREAT, mode));
}

}  // namespace

// O_NONBLOCK belongs to the open file that a descriptor shares with the shell that started us. So a pipe or a
// terminal is opened once more, for us alone. Where that is not allowed (the pipe of another user), it is
// written by as much as a pipe takes that poll() finds ready.
LogOutput LogOutput::given(int fd) {
  struct stat what{};
  if (fstat(fd, &what) != 0) return {Fd(), fd, Kind::plain};
  if (S_ISSOCK(what.st_mode)) return {Fd(), fd, Kind::socket};
  if (!S_ISFIFO(what.st_mode) && isatty(fd) == 0) return {Fd(), fd, Kind::plain};  // keeps its position
  Fd own(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), open_flags));
  if (!own) return {Fd(), fd, Kind::given_pipe};
  const int opened = own.get();
  return {std::move(own), opened, Kind::pipe};
}

Result<LogOutput> LogOutput::open(To to, const std::string& path) {
  if (to == To::off) return LogOutput();
  if (to != To::file) return given(to == To::out ? STDOUT_FILENO : STDERR_FILENO);
  Fd own = open_file(path);
  if (!own) return fail(Code::io, "cannot_open", path + ": " + std::strerror(errno));
  struct stat what{};
  const bool known = fstat(own.get(), &what) == 0;
  const int opened = own.get();
  LogOutput output(std::move(own), opened, known && S_ISFIFO(what.st_mode) ? Kind::pipe : Kind::plain);
  output.may_be_torn_ = known && S_ISREG(what.st_mode);
  return output;
}

Result<void> LogOutput::can_open(const std::string& path) {
  struct stat what{};
  int status = stat(path.c_str(), &what);
  if (status == 0 && S_ISDIR(what.st_mode)) {
    errno = EISDIR;
    status = -1;
  } else if (status == 0) {
    status = faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS);
  } else if (errno == ENOENT) {
    const std::string folder = std::filesystem::path(path).parent_path();
    status = faccessat(AT_FDCWD, folder.empty() ? "." : folder.c_str(), W_OK | X_OK, AT_EACCESS);
  }
  if (status != 0) return fail(Code::io, "cannot_open", path + ": " + std::strerror(errno));
  return {};
}

// A disk that was full has left half a line of whoever wrote there before: it costs no whole one behind it.
// Looked for as late as possible: the output before may have ended its line meanwhile.
bool LogOutput::end_torn_line() noexcept {
  struct stat what{};
  char last = '\n';
  const bool torn = fstat(fd_, &what) == 0 && what.st_size > 0 &&
                    pread(fd_, &last, 1, what.st_size - 1) == 1 && last != '\n';
  if (torn && ::write(fd_, "\n", 1) != 1) return false;
  may_be_torn_ = false;
  return true;
}

ssize_t LogOutput::write(Slice bytes) noexcept {
  if (kind_ == Kind::off) return static_cast<ssize_t>(bytes.size());
  if (may_be_torn_ && !end_torn_line()) return -1;
  const bool pipe = kind_ == Kind::pipe || kind_ == Kind::given_pipe;
  bytes = pipe ? whole_lines(bytes) : bytes.substr(0, piece_max);
  if (kind_ == Kind::given_pipe) {
    pollfd ready{fd_, POLLOUT, 0};
    if (poll(&ready, 1, 0) == 0) return 0;
  }
  ssize_t written = 0;
  do {
    written = kind_ == Kind::socket ? send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : ::write(fd_, bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  return written < 0 && errno == EAGAIN ? 0 : written;
}

}  // namespace sallyport::observe
