// HashIndex: finds out whether two of many things are equal, in linear time, by hashes that strangers cannot
// choose (siphash.h).
//
// Keeps its memory from one use to the next. One thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport {

class HashIndex {
 public:
  // Empty, with room for so many.
  void reset(size_t entries) { slots_.assign(std::bit_ceil(std::max<size_t>(2 * entries, 8)), Slot{}); }
  // Adds the thing of that number; true instead if an earlier one of that hash is `same(its number)`.
  template <class Same>
  bool meets(uint64_t hash, size_t number, Same same) {
    const size_t mask = slots_.size() - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      Slot& slot = slots_[at];
      if (slot.number == free) {
        slot = {hash, number};
        return false;
      }
      if (slot.hash == hash && same(slot.number)) return true;
    }
  }
  void release() noexcept { slots_ = {}; }

 private:
  static constexpr size_t free = ~size_t{0};
  struct Slot {
    uint64_t hash = 0;
    size_t number = free;
  };
  std::vector<Slot> slots_;
};

}  // namespace sallyport
