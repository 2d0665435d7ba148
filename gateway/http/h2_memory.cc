#include "gateway/http/h2_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "gateway/base/small_pool.h"

namespace sallyport::http::h2 {
namespace {

// In front of each piece: free() is not told how large it is.
struct alignas(std::max_align_t) Piece {
  size_t bytes;
};

void* take(size_t bytes, void*) {
  if (bytes > SIZE_MAX - sizeof(Piece)) return nullptr;
  auto* piece = static_cast<Piece*>(small_pool::allocate(sizeof(Piece) + bytes));
  piece->bytes = bytes;
  return piece + 1;
}

void give_back(void* memory, void*) {
  if (memory == nullptr) return;
  Piece* piece = static_cast<Piece*>(memory) - 1;
  small_pool::release(piece, sizeof(Piece) + piece->bytes);
}

void* take_zeroed(size_t count, size_t bytes, void*) {
  if (bytes != 0 && count > SIZE_MAX / bytes) return nullptr;
  void* memory = take(count * bytes, nullptr);
  if (memory != nullptr) std::memset(memory, 0, count * bytes);
  return memory;
}

void* take_again(void* memory, size_t bytes, void*) {
  void* larger = take(bytes, nullptr);
  if (memory == nullptr || larger == nullptr) return larger;
  std::memcpy(larger, memory, std::min(bytes, (static_cast<Piece*>(memory) - 1)->bytes));
  give_back(memory, nullptr);
  return larger;
}

}  // namespace

nghttp2_mem pooled_memory() noexcept { return {nullptr, &take, &give_back, &take_zeroed, &take_again}; }

}  // namespace sallyport::http::h2
