// FileState: what tells one state of a file from the next.
#pragma once

#include <cstdint>
#include <string>

namespace sallyport {

// All zero: there is no such file. A replaced symlink (a Kubernetes Secret) is another state, too.
struct FileState {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t seconds = 0, nanoseconds = 0;  // of the last modification, which a tool may set as it likes
  int64_t changed_seconds = 0, changed_nanoseconds = 0;  // of the last change, which none may (ctime)

  // Any thread; asks the kernel at each call.
  static FileState of(const std::string& path);
  bool operator==(const FileState&) const = default;
  // Changed a moment ago, and perhaps not for the last time: whoever writes it may be at it.
  bool is_fresh() const noexcept;
  // The same file, in whatever state: what is replaced by renaming is another.
  bool is_file_of(const FileState& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
};

}  // namespace sallyport
