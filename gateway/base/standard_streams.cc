#include "gateway/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace sallyport {
namespace {

bool stdout_was_closed = false;

}  // namespace

void tell(std::string_view text) noexcept {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

// The lowest number that is free is what open gives: the one that is missing.
void open_standard_streams() noexcept {
  std::signal(SIGPIPE, SIG_IGN);
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    if (stream == STDOUT_FILENO) stdout_was_closed = true;
    if (open("/dev/null", O_RDWR) != stream) return;
  }
}

std::string wrong_with_stdout() {
  if (stdout_was_closed) return "it is closed";
  if (std::fflush(stdout) != 0) return std::strerror(errno);
  return std::ferror(stdout) != 0 ? "it did not take everything" : "";
}

}  // namespace sallyport
