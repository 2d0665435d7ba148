#include "gateway/base/frame_pool.h"

#include <array>
#include <cstdint>
#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SALLYPORT_PLAIN_FRAMES 1  // so that the sanitizer sees each use of a freed frame
#endif
#endif

namespace sallyport::frame_pool {
#if SALLYPORT_PLAIN_FRAMES
void* allocate(size_t bytes) { return ::operator new(bytes); }
void release(void* frame, size_t) noexcept { ::operator delete(frame); }
#else
namespace {

constexpr size_t step_bytes = 64;
constexpr size_t classes = 32;       // frames up to 2 KiB; larger ones go to the heap
constexpr uint32_t kept_max = 1024;  // of each class

struct Free {
  Free* next;
};

struct Lists {
  std::array<Free*, classes> head{};
  std::array<uint32_t, classes> kept{};
  ~Lists() {
    for (Free* free : head) {
      while (free != nullptr) ::operator delete(std::exchange(free, free->next));
    }
  }
};

thread_local Lists lists;

constexpr size_t class_of(size_t bytes) { return (bytes + step_bytes - 1) / step_bytes - 1; }

}  // namespace

void* allocate(size_t bytes) {
  const size_t c = class_of(bytes);
  if (c >= classes) return ::operator new(bytes);
  if (Free* free = lists.head[c]) {
    lists.head[c] = free->next;
    --lists.kept[c];
    return free;
  }
  return ::operator new((c + 1) * step_bytes);
}

void release(void* frame, size_t bytes) noexcept {
  const size_t c = class_of(bytes);
  if (c >= classes || lists.kept[c] >= kept_max) {
    ::operator delete(frame);
    return;
  }
  lists.head[c] = new (frame) Free{lists.head[c]};
  ++lists.kept[c];
}
#endif

}  // namespace sallyport::frame_pool
