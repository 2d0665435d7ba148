#include "tests/unit/async/support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

namespace sallyport::test {
namespace {

constexpr unsigned hung_after_s = 300;

// Made before main, for the clock looks for its file once, when it is first read.
std::atomic<int64_t>* const shift = [] {
  const int fd = memfd_create("clock", 0);
  if (fd < 0 || ftruncate(fd, sizeof(int64_t)) != 0) std::abort();
  setenv("SALLYPORT_TEST_CLOCK", ("/proc/self/fd/" + std::to_string(fd)).c_str(), 1);
  void* at = mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) std::abort();
  alarm(hung_after_s);  // a test that hangs is a test that fails
  return new (at) std::atomic<int64_t>(0);
}();

}  // namespace

void advance(std::chrono::nanoseconds by) { shift->fetch_add(by.count()); }

}  // namespace sallyport::test
