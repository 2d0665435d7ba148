// CheckedCopy: bytes that are copied and looked at in one go, 16 at a time: a head is made of many small
// pieces, for each of which a call of memcpy and a check of its own cost more than both together here.
//
// A value; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "gateway/base/block.h"

namespace sallyport {

class CheckedCopy {
 public:
  // There must be room for all that is put.
  explicit CheckedCopy(char* to) noexcept : at_(to) {}

  void put(std::string_view piece) noexcept {
    const char* from = piece.data();
    const size_t n = piece.size();
    if (n >= sizeof(Block)) {
      // The last block overlaps with the one before it.
      for (size_t i = 0; i + sizeof(Block) < n; i += sizeof(Block)) put_block(from + i, at_ + i);
      put_block(from + n - sizeof(Block), at_ + n - sizeof(Block));
    } else if (n >= sizeof(uint64_t)) {
      put_ends<uint64_t>(from, n);
    } else if (n >= sizeof(uint32_t)) {
      put_ends<uint32_t>(from, n);
    } else {
      for (size_t i = 0; i < n; ++i) put_byte(from[i], at_ + i);
    }
    at_ += n;
  }
  // Not looked at: it is ours.
  template <size_t n>
  void put_literal(const char (&literal)[n]) noexcept {
    std::memcpy(at_, literal, n - 1);
    at_ += n - 1;
  }
  char* end() const noexcept { return at_; }  // of what was put

  // False if there was a control character or a tab in anything that was put.
  bool is_clean() const noexcept { return !seen_.found(); }

 private:
  void put_block(const char* from, char* to) noexcept {
    const Block bytes = load_block(from);
    seen_.see(bytes);
    store_block(to, bytes);
  }
  // n: of one word up to two; they overlap.
  template <class Word>
  void put_ends(const char* from, size_t n) noexcept {
    Word first, last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + n - sizeof last, sizeof last);
    using Words = Word __attribute__((vector_size(sizeof(Block))));
    Words both{};
    for (size_t i = 0; i < sizeof both / sizeof(Word); ++i) both[i] = i % 2 == 0 ? first : last;
    seen_.see(reinterpret_cast<Block>(both));
    std::memcpy(at_, &first, sizeof first);
    std::memcpy(at_ + n - sizeof last, &last, sizeof last);
  }
  void put_byte(char c, char* to) noexcept {
    seen_.see(Block{} + static_cast<uint8_t>(c));
    *to = c;
  }

  char* at_;
  ControlScan seen_;
};

}  // namespace sallyport
