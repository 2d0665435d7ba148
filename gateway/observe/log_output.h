// LogOutput: where the lines of a log go: a file, or what the process was given as stdout or stderr. Its
// writes never wait for whoever reads there. One thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "gateway/base/bytes.h"
#include "gateway/base/error.h"
#include "gateway/base/fd.h"

namespace sallyport::observe {

class LogOutput {
 public:
  enum class To : uint8_t { off, out, err, file };
  // Opens a file (append, mode 0640). Errors: io with the cause.
  static Result<LogOutput> open(To to, const std::string& path);
  // Whether a file could be opened or made there; it is left as it is. Errors: as of open().
  static Result<void> can_open(const std::string& path);

  LogOutput() noexcept = default;  // off: takes everything and keeps nothing
  // How many of the bytes are taken: 0 if none at this moment; -1, with errno, if they cannot be written.
  // A pipe is given whole lines only, so that several logs, and several processes, can share it.
  ssize_t write(Slice bytes) noexcept;
  bool is_off() const noexcept { return kind_ == Kind::off; }
  int descriptor() const noexcept { return fd_; }  // to poll for; -1: off

 private:
  enum class Kind : uint8_t { off, plain, pipe, given_pipe, socket };
  LogOutput(Fd own, int fd, Kind kind) noexcept : own_(std::move(own)), fd_(fd), kind_(kind) {}
  static LogOutput given(int fd);
  bool end_torn_line() noexcept;

  Fd own_;
  int fd_ = -1;  // own_, or one that is the process's
  Kind kind_ = Kind::off;
  bool may_be_torn_ = false;  // what the file holds by now may end inside a line
};

}  // namespace sallyport::observe
