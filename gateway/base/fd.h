// Fd: a descriptor with an owner. Closed with its object; moved, never copied. Any thread.
#pragma once

#include <unistd.h>

#include <utility>

namespace sallyport {

class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int descriptor) noexcept : fd_(descriptor) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  // Gives it away: whoever takes it closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int descriptor = -1) noexcept {
    const int old = std::exchange(fd_, descriptor);
    if (old >= 0) close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace sallyport
