// Bytes: a buffer that is filled at its end and consumed at its front, and the pool its memory comes from.
//
// Owned by one worker; not thread-safe, but for the levels that a scrape reads. A Slice (std::string_view)
// into a Buffer is valid until the buffer is next written to or released.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gateway/base/small_pool.h"

namespace sallyport {

using Slice = std::string_view;

// How much of its budget a worker's requests hold.
enum class Pressure : uint8_t {
  none,  // less than a quarter
  some,  // little is read ahead of whoever asks for it
  much,  // more than three quarters: content goes through in small pieces; who has much under way gets no
         // more
  full,  // no new work
};

// The memory of everything that requests hold: blocks of a few sizes, which it counts, and of which it keeps
// some for reuse; the rest goes back to the system. One a worker. Outlives every Buffer made from it.
class BlockPool {
 public:
  static constexpr size_t small_bytes = 1024;        // the least there is
  static constexpr size_t usual_bytes = 16 * 1024;   // one read of a socket, and one TLS record's content
  static constexpr size_t record_bytes = 17 * 1024;  // the same as it is sent, with a head in front of it
  static constexpr size_t large_bytes = 64 * 1024;   // larger ones are never kept
  static constexpr size_t kept_max = 4 * 1024 * 1024;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  // A block of at least `bytes`; capacity says how large it is. Aborts when memory is exhausted.
  char* take(size_t bytes, size_t& capacity);
  void give_back(char* block, size_t capacity) noexcept;

  // What requests may hold: these blocks and the thread's small pieces (small_pool.h). Nothing is refused
  // here: whoever takes on work, or reads more than it must, asks for the pressure first.
  void set_budget(size_t bytes) noexcept { budget_ = bytes; }
  size_t budget() const noexcept { return budget_; }
  Pressure pressure() const noexcept {
    const size_t bytes = held();
    if (bytes < budget_ / 4) return Pressure::none;
    if (bytes < budget_ / 4 * 3) return Pressure::some;
    return bytes < budget_ ? Pressure::much : Pressure::full;
  }
  // Whether so many more may be held for a while.
  bool has_room(size_t bytes) const noexcept {
    const size_t now = held();
    return now < budget_ && bytes <= budget_ - now;
  }
  // Whether so many may ever be, with nothing else held.
  bool can_hold(size_t bytes) const noexcept { return bytes <= budget_; }
  // An eighth over it: not even a refusal can be afforded.
  bool is_overdrawn() const noexcept { return held() / 9 > budget_ / 8; }
  size_t held() const noexcept { return taken() + small_pool::taken() + reserved_; }
  // How much of a connection is read at once for whoever waits for it; and while nobody does, in all.
  size_t bytes_at_once() const noexcept;
  size_t bytes_ahead() const noexcept;
  // Memory that comes from elsewhere, such as a connection's, counts as well.
  void charge(size_t bytes) noexcept;
  void discharge(size_t bytes) noexcept;
  // What is about to be taken counts as well, but is no memory yet.
  void reserve(size_t bytes) noexcept { reserved_ += bytes; }
  void let_go(size_t bytes) noexcept { reserved_ -= bytes; }
  // Blocks that are in use, and those that are kept free, in bytes. Any thread.
  size_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
  size_t kept() const noexcept { return kept_.load(std::memory_order_relaxed); }
  // True once so much less is in use than at the highest since the last time, that the heap has holes worth
  // giving back.
  bool has_fallen() const noexcept { return highest_ - taken() > kept_max; }
  void forget_highest() noexcept { highest_ = taken(); }

 private:
  static constexpr size_t sizes = 8;
  struct Free {
    Free* next;
  };
  std::array<Free*, sizes> free_{};
  std::atomic<size_t> taken_{0};
  std::atomic<size_t> kept_{0};
  size_t highest_ = 0;
  size_t reserved_ = 0;
  size_t budget_ = SIZE_MAX;
};

// Memory that somebody will take, but has not yet: work that is let in all at once does not find the budget
// empty each time.
class Reservation {
 public:
  Reservation(BlockPool& pool, size_t bytes) noexcept : pool_(pool), bytes_(bytes) { pool_.reserve(bytes_); }
  Reservation(const Reservation&) = delete;
  ~Reservation() { pool_.let_go(bytes_); }
  // Some of it has been taken by now, or given back again.
  void set(size_t bytes) noexcept {
    pool_.let_go(bytes_);
    pool_.reserve(bytes_ = bytes);
  }

 private:
  BlockPool& pool_;
  size_t bytes_;
};

// Memory from elsewhere that counts for as long as this lives.
class Charge {
 public:
  Charge(BlockPool& pool, size_t bytes) noexcept : pool_(pool), bytes_(bytes) { pool_.charge(bytes_); }
  Charge(const Charge&) = delete;
  ~Charge() { pool_.discharge(bytes_); }
  size_t bytes() const noexcept { return bytes_; }
  // It has become more, or less.
  void set(size_t bytes) noexcept {
    if (bytes == bytes_) return;
    pool_.discharge(bytes_);
    pool_.charge(bytes_ = bytes);
  }

 private:
  BlockPool& pool_;
  size_t bytes_;
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
  size_t capacity() const noexcept { return capacity_; }

  // Drops n bytes at the front (n <= size()). An empty buffer starts again at its beginning.
  void consume(size_t n) noexcept;

  // At least `bytes` of room at the end; moves what is there, or grows to a multiple of what there was, so
  // that many small pieces cost no more than a few large ones.
  std::span<char> writable(size_t bytes);
  // The room at the end as it is, without moving anything.
  std::span<char> room() noexcept { return {block_ + end_, capacity_ - end_}; }
  void commit(size_t n) noexcept { end_ += n; }
  void append(Slice bytes);

  // Gives the memory back to the pool, and the bytes with it.
  void release() noexcept;

 private:
  void grow(size_t bytes);

  BlockPool* pool_;
  char* block_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sallyport
