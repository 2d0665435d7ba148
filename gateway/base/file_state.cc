#include "gateway/base/file_state.h"

#include <sys/stat.h>

#include <ctime>

namespace sallyport {

FileState FileState::of(const std::string& path) {
  struct stat s{};
  if (stat(path.c_str(), &s) != 0) return {};
  return {s.st_dev,         s.st_ino,          static_cast<uint64_t>(s.st_size),
          s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec,
          s.st_ctim.tv_nsec};
}

// By the system's clock, as the file system has it.
bool FileState::is_fresh() const noexcept {
  constexpr int64_t moment = 250'000'000, second = 1'000'000'000;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t seconds_since = now.tv_sec - changed_seconds;
  if (seconds_since < 0 || seconds_since > 1) return false;
  return seconds_since * second + now.tv_nsec - changed_nanoseconds < moment;
}

}  // namespace sallyport
