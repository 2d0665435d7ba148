#include "gateway/base/arena.h"

namespace sallyport {

void Arena::clear() noexcept {
  if (block_ != nullptr) pool_->give_back(block_, capacity_);
  for (const Full& full : full_) pool_->give_back(full.block, full.capacity);
  full_.clear();
  block_ = nullptr;
  used_ = capacity_ = 0;
}

void Arena::more(size_t bytes) {
  if (block_ != nullptr) full_.push_back({block_, capacity_});
  block_ = pool_->take(bytes, capacity_);
  used_ = 0;
}

}  // namespace sallyport
