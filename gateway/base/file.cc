#include "gateway/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "gateway/base/fd.h"

namespace sallyport {
namespace {

constexpr size_t piece = 16 * 1024;

std::unexpected<Error> failed(std::string_view reason) {
  return fail(Code::io, reason, std::strerror(errno));
}

std::string_view kind_of(mode_t mode) noexcept {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const Fd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));  // a pipe would wait here
  if (!file) return failed("cannot_open");
  struct stat about{};
  if (fstat(file.get(), &about) != 0) return failed("cannot_read");
  if (!S_ISREG(about.st_mode))
    return fail(Code::invalid_data, "not_a_file",
                fmt::format("it is {}, not a regular file", kind_of(about.st_mode)));
  const auto too_large = [&] {
    return fail(Code::invalid_data, "file_too_large", fmt::format("it is larger than {} bytes", bytes_max));
  };
  if (static_cast<size_t>(about.st_size) > bytes_max) return too_large();
  // What is there, and one byte more that shows the end; then, if it grows meanwhile, the rest.
  size_t room = static_cast<size_t>(about.st_size) + 1;
  std::string content;
  for (ssize_t got = 1; got > 0 && content.size() <= bytes_max; room = piece) {
    content.resize_and_overwrite(content.size() + room, [&, before = content.size()](char* to, size_t) {
      do {
        got = read(file.get(), to + before, room);
      } while (got < 0 && errno == EINTR);
      return before + static_cast<size_t>(std::max<ssize_t>(got, 0));
    });
    if (got < 0) return failed("cannot_read");
  }
  if (content.size() > bytes_max) return too_large();
  return content;
}

}  // namespace sallyport
