#include "gateway/base/clock.h"

#include <ctime>

#if SALLYPORT_TEST_CLOCK
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#endif

namespace sallyport {
namespace {

#if SALLYPORT_TEST_CLOCK
// The shift that a test has written, mapped once for the life of the process; null without the variable.
const std::atomic<int64_t>* mapped_shift() noexcept {
  static const std::atomic<int64_t>* const mapped = [] {
    const char* path = std::getenv("SALLYPORT_TEST_CLOCK");
    int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return static_cast<const std::atomic<int64_t>*>(nullptr);
    void* at = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<const std::atomic<int64_t>*>(at);
  }();
  return mapped;
}
int64_t shift_ns() noexcept {
  const auto* shift = mapped_shift();
  return shift == nullptr ? 0 : shift->load(std::memory_order_relaxed);
}
#else
constexpr int64_t shift_ns() noexcept { return 0; }
#endif

Duration read_clock(clockid_t id) noexcept {
  timespec t{};
  clock_gettime(id, &t);
  return seconds(t.tv_sec) + Duration(t.tv_nsec + shift_ns());
}

}  // namespace

MonotonicClock::time_point MonotonicClock::now() noexcept { return Monotonic(read_clock(CLOCK_MONOTONIC)); }
Wall wall_now() noexcept { return Wall(read_clock(CLOCK_REALTIME)); }

bool clock_can_jump() noexcept {
#if SALLYPORT_TEST_CLOCK
  return mapped_shift() != nullptr;
#else
  return false;
#endif
}

}  // namespace sallyport
