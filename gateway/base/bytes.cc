#include "gateway/base/bytes.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace sallyport {
namespace {

// 1, 2, 4, 8, 16, 17, 32 and 64 KiB.
constexpr size_t usual_index = 4;
constexpr size_t index_of(size_t bytes) noexcept {
  if (bytes <= BlockPool::small_bytes) return 0;
  const auto doubled = static_cast<size_t>(std::bit_width((bytes - 1) / BlockPool::small_bytes));
  if (doubled <= usual_index) return doubled;
  return bytes <= BlockPool::record_bytes ? usual_index + 1 : doubled + 1;
}
constexpr size_t size_at(size_t index) noexcept {
  if (index <= usual_index) return BlockPool::small_bytes << index;
  return index == usual_index + 1 ? BlockPool::record_bytes : BlockPool::small_bytes << (index - 1);
}
static_assert(size_at(index_of(BlockPool::large_bytes)) == BlockPool::large_bytes);

// Only the pool's thread writes it.
void add(std::atomic<size_t>& level, size_t bytes) noexcept {
  level.store(level.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
}

}  // namespace

BlockPool::~BlockPool() {
  for (Free* free : free_) {
    while (free != nullptr) std::free(std::exchange(free, free->next));
  }
}

char* BlockPool::take(size_t bytes, size_t& capacity) {
  char* block = nullptr;
  if (bytes <= large_bytes) {
    const size_t index = index_of(bytes);
    bytes = size_at(index);
    if (Free* free = free_[index]) {
      free_[index] = free->next;
      add(kept_, -bytes);
      block = reinterpret_cast<char*>(free);
    }
  }
  if (block == nullptr) block = static_cast<char*>(std::malloc(bytes));
  if (block == nullptr) std::abort();
  capacity = bytes;
  add(taken_, bytes);
  highest_ = std::max(highest_, taken());
  return block;
}

void BlockPool::give_back(char* block, size_t capacity) noexcept {
  add(taken_, -capacity);
  if (capacity > large_bytes || kept() + capacity > kept_max) {
    std::free(block);
    return;
  }
  const size_t index = index_of(capacity);
  free_[index] = new (block) Free{free_[index]};
  add(kept_, capacity);
}

size_t BlockPool::bytes_at_once() const noexcept {
  return pressure() < Pressure::much ? usual_bytes : 4 * small_bytes;
}

size_t BlockPool::bytes_ahead() const noexcept {
  return pressure() == Pressure::none ? large_bytes : 4 * small_bytes;
}

void BlockPool::charge(size_t bytes) noexcept { add(taken_, bytes); }
void BlockPool::discharge(size_t bytes) noexcept { add(taken_, -bytes); }

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(other.pool_),
      block_(std::exchange(other.block_, nullptr)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  pool_ = other.pool_;
  block_ = std::exchange(other.block_, nullptr);
  begin_ = std::exchange(other.begin_, 0);
  end_ = std::exchange(other.end_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

void Buffer::consume(size_t n) noexcept {
  begin_ += n;
  if (begin_ == end_) begin_ = end_ = 0;
}

std::span<char> Buffer::writable(size_t bytes) {
  if (capacity_ - end_ >= bytes && block_ != nullptr) return room();
  if (block_ != nullptr && capacity_ - size() >= bytes) {  // it fits once moved to the front
    std::memmove(block_, block_ + begin_, size());
    end_ -= begin_;
    begin_ = 0;
  } else {
    grow(bytes);
  }
  return room();
}

// What has been outgrown once is likely to be so again: fourfold, and beyond the usual size twofold. While
// memory is asked for, the sizes of blocks are steps enough.
void Buffer::grow(size_t bytes) {
  size_t factor = capacity_ <= BlockPool::usual_bytes ? 4 : 2;
  if (capacity_ > 0 && capacity_ < BlockPool::large_bytes && pool_->pressure() != Pressure::none) factor = 1;
  size_t capacity = 0;
  char* larger = pool_->take(std::max(size() + bytes, capacity_ * factor), capacity);
  if (block_ != nullptr) {
    std::memcpy(larger, block_ + begin_, size());
    pool_->give_back(block_, capacity_);
  }
  block_ = larger;
  capacity_ = capacity;
  end_ -= begin_;
  begin_ = 0;
}

void Buffer::append(Slice bytes) {
  if (bytes.empty()) return;
  std::memcpy(writable(bytes.size()).data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

void Buffer::release() noexcept {
  if (block_ != nullptr) pool_->give_back(block_, capacity_);
  block_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

}  // namespace sallyport
