// Arena: memory of one exchange, handed out in a row and given back all at once. One worker; not thread-safe.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>

#include "gateway/base/bytes.h"

namespace sallyport {

class Arena {
 public:
  explicit Arena(BlockPool& pool) noexcept : pool_(&pool) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { clear(); }

  // Uninitialised bytes, valid until clear(); no alignment.
  char* allocate(size_t bytes) {
    if (bytes > capacity_ - used_) more(bytes);
    char* at = block_ + used_;
    used_ += bytes;
    return at;
  }

  Slice copy(Slice text) {
    if (text.empty()) return {};
    char* at = allocate(text.size());
    std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }

  // The pieces, one behind the other.
  Slice concat(std::initializer_list<Slice> pieces) {
    return concat(std::span<const Slice>(pieces.begin(), pieces.size()));
  }
  Slice concat(std::span<const Slice> pieces) {
    size_t total = 0;
    for (Slice piece : pieces) total += piece.size();
    if (total == 0) return {};
    char* at = allocate(total);
    char* to = at;
    for (Slice piece : pieces) {
      if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
    return {at, total};
  }

  // Ends the life of everything allocated. The blocks go back to the worker's pool.
  void clear() noexcept;
  // The bytes of its blocks.
  size_t held() const noexcept;

 private:
  // At the beginning of each block.
  struct Before {
    char* block;
    size_t capacity;
  };
  static constexpr size_t first_bytes = 2 * 1024;  // what an ordinary request needs; then twice as much
  void more(size_t bytes);

  BlockPool* pool_;
  char* block_ = nullptr;
  size_t used_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sallyport
