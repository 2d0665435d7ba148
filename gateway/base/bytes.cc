#include "gateway/base/bytes.h"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace sallyport {

BlockPool::~BlockPool() {
  for (char* block : small_) std::free(block);
  for (char* block : large_) std::free(block);
}

char* BlockPool::take(size_t bytes, size_t& capacity) {
  auto from = [&](std::vector<char*>& kept, size_t size) -> char* {
    capacity = size;
    if (kept.empty()) return nullptr;
    char* block = kept.back();
    kept.pop_back();
    return block;
  };
  char* block = nullptr;
  if (bytes <= small_bytes) {
    block = from(small_, small_bytes);
  } else if (bytes <= large_bytes) {
    block = from(large_, large_bytes);
  } else {
    capacity = bytes;
  }
  if (block == nullptr) block = static_cast<char*>(std::malloc(capacity));
  if (block == nullptr) std::abort();
  return block;
}

void BlockPool::give_back(char* block, size_t capacity) noexcept {
  if (capacity == small_bytes && small_.size() < kept_max) {
    small_.push_back(block);
  } else if (capacity == large_bytes && large_.size() < kept_max) {
    large_.push_back(block);
  } else {
    std::free(block);
  }
}

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
  } else {
    size_t capacity = 0;
    char* larger = pool_->take(size() + bytes, capacity);
    if (block_ != nullptr) {
      std::memcpy(larger, block_ + begin_, size());
      pool_->give_back(block_, capacity_);
    }
    block_ = larger;
    capacity_ = capacity;
  }
  end_ -= begin_;
  begin_ = 0;
  return room();
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
