#include "gateway/base/small_pool.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SALLYPORT_PLAIN_PIECES 1  // so that the sanitizer sees each use of a freed piece
#endif
#endif

namespace sallyport::small_pool {
#if SALLYPORT_PLAIN_PIECES
void* allocate(size_t bytes) {
  taken_bytes += static_cast<std::ptrdiff_t>(bytes);
  return ::operator new(bytes);
}
void release(void* piece, size_t bytes) noexcept {
  taken_bytes -= static_cast<std::ptrdiff_t>(bytes);
  ::operator delete(piece);
}
#else
namespace {

constexpr size_t step_bytes = 64;
constexpr size_t classes = 48;                 // pieces up to 3 KiB; larger ones go to the heap
constexpr size_t kept_bytes_max = 128 * 1024;  // of each class

struct Free {
  Free* next;
};

struct Lists {
  std::array<Free*, classes> head{};
  std::array<size_t, classes> kept{};
  ~Lists() {
    for (Free* free : head) {
      while (free != nullptr) ::operator delete(std::exchange(free, free->next));
    }
  }
};

thread_local Lists lists;

constexpr auto kept_max = [] {
  std::array<size_t, classes> most{};
  for (size_t c = 0; c < classes; ++c) most[c] = kept_bytes_max / ((c + 1) * step_bytes);
  return most;
}();

constexpr size_t class_of(size_t bytes) { return (bytes + step_bytes - 1) / step_bytes - 1; }

}  // namespace

void* allocate(size_t bytes) {
  taken_bytes += static_cast<std::ptrdiff_t>(bytes);
  const size_t c = class_of(bytes);
  if (c >= classes) return ::operator new(bytes);
  if (Free* free = lists.head[c]) {
    lists.head[c] = free->next;
    --lists.kept[c];
    return free;
  }
  return ::operator new((c + 1) * step_bytes);
}

void release(void* piece, size_t bytes) noexcept {
  taken_bytes -= static_cast<std::ptrdiff_t>(bytes);
  const size_t c = class_of(bytes);
  if (c >= classes || lists.kept[c] >= kept_max[c]) {
    ::operator delete(piece);
    return;
  }
  lists.head[c] = new (piece) Free{lists.head[c]};
  ++lists.kept[c];
}
#endif

}  // namespace sallyport::small_pool
