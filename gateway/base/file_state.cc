#include "gateway/base/file_state.h"

#include <sys/stat.h>

namespace sallyport {

FileState FileState::of(const std::string& path) {
  struct stat s{};
  if (stat(path.c_str(), &s) != 0) return {};
  return {s.st_dev,         s.st_ino,          static_cast<uint64_t>(s.st_size),
          s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec,
          s.st_ctim.tv_nsec};
}

}  // namespace sallyport
