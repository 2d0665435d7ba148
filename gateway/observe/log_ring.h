// LogRing: whole lines from one producer to one consumer, without a lock. What finds no room is the
// producer's to count.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "gateway/base/bytes.h"

namespace sallyport::observe {

class LogRing {
 public:
  // The memory is touched, and thereby taken, as lines come.
  explicit LogRing(size_t bytes) : size_(bytes), bytes_(std::make_unique_for_overwrite<char[]>(bytes)) {}

  // --- producer
  // False if there is no room.
  bool push(Slice line) noexcept {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t tail = tail_.load(std::memory_order_acquire);
    if (size_ - (head - tail) < line.size()) return false;
    const size_t at = head % size_;
    const size_t first = std::min(line.size(), size_ - at);
    std::memcpy(bytes_.get() + at, line.data(), first);
    std::memcpy(bytes_.get(), line.data() + first, line.size() - first);
    head_.store(head + line.size(), std::memory_order_release);
    return true;
  }
  // Where a line of at most `most` bytes may be formatted in place, or null if the ring wraps or is full
  // there.
  char* room(size_t most) noexcept {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t tail = tail_.load(std::memory_order_acquire);
    const size_t at = head % size_;
    if (size_ - at < most || size_ - (head - tail) < most) return nullptr;
    return bytes_.get() + at;
  }
  void commit(size_t bytes) noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }
  void count_lost() noexcept {
    lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  bool half_full() const noexcept {
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed) > size_ / 2;
  }

  // --- consumer
  size_t held() const noexcept {
    return head_.load(std::memory_order_acquire) - tail_.load(std::memory_order_relaxed);
  }
  // What can be written in one piece, behind the first `from` bytes, of which there are so many.
  Slice readable(size_t from = 0) const noexcept {
    const uint64_t head = head_.load(std::memory_order_acquire);
    const uint64_t first = tail_.load(std::memory_order_relaxed) + from;
    const size_t at = first % size_;
    return {bytes_.get() + at, std::min<size_t>(head - first, size_ - at)};
  }
  // Of what is held, that which was put in before the mark.
  size_t held_before(uint64_t mark) const noexcept {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    return mark > tail ? mark - tail : 0;
  }
  void consume(size_t bytes) noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }

  // --- any thread
  // Behind the line that was put in last.
  uint64_t mark() const noexcept { return head_.load(std::memory_order_acquire); }
  uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
  const size_t size_;
  const std::unique_ptr<char[]> bytes_;
  std::atomic<uint64_t> lost_{0};
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace sallyport::observe
