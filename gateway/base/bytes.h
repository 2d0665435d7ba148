// Bytes: a buffer that is filled at its end and consumed at its front, and the pool its memory comes from.
//
// Owned by one worker; not thread-safe. A Slice (std::string_view) into a Buffer is valid until the buffer is
// next written to or released.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sallyport {

using Slice = std::string_view;

// Free blocks of two sizes, kept for reuse up to a bound. One a worker. Outlives every Buffer made from it.
class BlockPool {
 public:
  static constexpr size_t small_bytes = 16 * 1024;
  static constexpr size_t large_bytes = 64 * 1024;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  // A block of at least `bytes`; capacity says how large it is. Aborts when memory is exhausted.
  char* take(size_t bytes, size_t& capacity);
  void give_back(char* block, size_t capacity) noexcept;

 private:
  static constexpr size_t kept_max = 256;  // of each size
  std::vector<char*> small_;
  std::vector<char*> large_;
};

class Buffer {
 public:
  explicit Buffer(BlockPool& pool) noexcept : pool_(&pool) {}
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { release(); }

  Slice readable() const noexcept { return {block_ + begin_, end_ - begin_}; }
  size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  char* data() noexcept { return block_ + begin_; }

  // Drops n bytes at the front (n <= size()). An empty buffer starts again at its beginning.
  void consume(size_t n) noexcept;

  // At least `bytes` of room at the end; moves or grows what is there if needed.
  std::span<char> writable(size_t bytes);
  // The room at the end as it is, without moving anything.
  std::span<char> room() noexcept { return {block_ + end_, capacity_ - end_}; }
  void commit(size_t n) noexcept { end_ += n; }
  void append(Slice bytes);

  // Gives the memory back to the pool, and the bytes with it.
  void release() noexcept;

 private:
  BlockPool* pool_;
  char* block_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sallyport
