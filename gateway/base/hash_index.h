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
  // Empty, with room for so many, and for more as they come: the first two that are equal may be the first
  // two.
  void reset(size_t entries) {
    used_ = 0;
    slots_.assign(std::bit_ceil(std::max<size_t>(2 * std::min(entries, first_max), 8)), Slot{});
  }
  // Adds the thing of that number; true instead if an earlier one of that hash is `same(its number)`.
  template <class Same>
  bool meets(uint64_t hash, uint32_t number, Same same) {
    if (2 * used_ >= slots_.size()) grow();
    const auto part = static_cast<uint32_t>(hash);
    for (size_t at = part & mask();; at = (at + 1) & mask()) {
      Slot& slot = slots_[at];
      if (slot.number == free) {
        slot = {part, number};
        ++used_;
        return false;
      }
      if (slot.hash == part && same(slot.number)) return true;
    }
  }
  void release() noexcept { std::vector<Slot>().swap(slots_); }  // an assignment would keep it

 private:
  static constexpr uint32_t free = ~uint32_t{0};
  static constexpr size_t first_max = 1024;
  struct Slot {
    uint32_t hash = 0;
    uint32_t number = free;
  };
  size_t mask() const noexcept { return slots_.size() - 1; }
  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number == free) continue;
      size_t at = slot.hash & mask();
      while (slots_[at].number != free) at = (at + 1) & mask();
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace sallyport
