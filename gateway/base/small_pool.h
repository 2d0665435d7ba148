// SmallPool: free lists of small pieces of memory, one set for each thread, for what is made and destroyed
// with each request: coroutine frames, header fields, HTTP/2 streams.
//
// A promise's operator new has no way to reach its worker, so the lists are thread_local: they hold raw
// memory only, no state that anything depends on. What is large goes to the heap; what a burst leaves behind
// is bounded. A piece is freed on the thread that took it, which holds because a task belongs to one worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace sallyport::small_pool {

void* allocate(size_t bytes);
// bytes: as many as were asked for.
void release(void* piece, size_t bytes) noexcept;

// Below 0: pieces of another thread came back here. Apart from the lists, which a thread has to make first.
inline constinit thread_local std::ptrdiff_t taken_bytes = 0;
// What this thread has taken and not released, in bytes.
inline size_t taken() noexcept { return static_cast<size_t>(std::max<std::ptrdiff_t>(taken_bytes, 0)); }

template <class T>
struct Allocator {
  using value_type = T;
  Allocator() noexcept = default;
  template <class U>
  Allocator(const Allocator<U>&) noexcept {}
  T* allocate(size_t count) { return static_cast<T*>(small_pool::allocate(count * sizeof(T))); }
  void deallocate(T* piece, size_t count) noexcept { small_pool::release(piece, count * sizeof(T)); }
  friend bool operator==(Allocator, Allocator) noexcept { return true; }
};

template <class T>
using Vector = std::vector<T, Allocator<T>>;

}  // namespace sallyport::small_pool
