#include "gateway/base/arena.h"

#include <algorithm>
#include <new>

namespace sallyport {

void Arena::clear() noexcept {
  while (block_ != nullptr) {
    const Before before = *std::launder(reinterpret_cast<Before*>(block_));
    pool_->give_back(block_, capacity_);
    block_ = before.block;
    capacity_ = before.capacity;
  }
  used_ = 0;
}

size_t Arena::held() const noexcept {
  size_t bytes = block_ != nullptr ? capacity_ : 0;
  for (const char* block = block_; block != nullptr;) {
    const Before& before = *std::launder(reinterpret_cast<const Before*>(block));
    block = before.block;
    if (block != nullptr) bytes += before.capacity;
  }
  return bytes;
}

void Arena::more(size_t bytes) {
  const Before before{block_, capacity_};
  const size_t usual = std::clamp(capacity_ * 2, first_bytes, BlockPool::usual_bytes);
  block_ = pool_->take(std::max(bytes + sizeof(Before), usual), capacity_);
  new (block_) Before(before);
  used_ = sizeof(Before);
}

}  // namespace sallyport
