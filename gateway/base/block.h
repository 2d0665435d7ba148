// Block: 16 bytes that are looked at in one go. Heads are made of many short pieces, and every byte of them
// is looked at several times: what one byte costs is what a request costs.
//
// Values; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport {

using Block = uint8_t __attribute__((vector_size(16)));
// 0xff for each byte of which something is true, else 0.
using BlockMask = decltype(Block{} == Block{});

inline Block load_block(const char* at) noexcept {
  Block bytes;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}
inline void store_block(char* to, Block bytes) noexcept { std::memcpy(to, &bytes, sizeof bytes); }

// The first byte of which it is true; the size of a block if there is none.
inline size_t first_of(BlockMask mask) noexcept {
  using Bits = bool __attribute__((ext_vector_type(sizeof(Block))));
  const auto bits = std::bit_cast<uint16_t>(__builtin_convertvector(mask, Bits));
  static_assert(std::endian::native == std::endian::little);  // the first byte is the lowest bit
  return static_cast<size_t>(std::countr_zero(bits));
}
inline bool is_any(BlockMask mask) noexcept {
  using Words = uint64_t __attribute__((vector_size(sizeof(Block))));
  const auto words = reinterpret_cast<Words>(mask);
  return (words[0] | words[1]) != 0;
}

// Collects whether any of the bytes that were seen is a control character, a tab included.
class ControlScan {
 public:
  void see(Block bytes) noexcept {
    lowest_ = __builtin_elementwise_min(lowest_, bytes);
    deletes_ |= bytes == 0x7f;
  }
  bool found() const noexcept { return is_any((lowest_ < ' ') | deletes_); }

 private:
  Block lowest_ = Block{} + uint8_t{0xff};
  BlockMask deletes_{};
};

// Where in n bytes, at least a block's, the first is of which test(Block) is true; n if there is none. The
// last block overlaps with the one before it.
template <class Test>
size_t find_by_blocks(const char* at, size_t n, Test test) noexcept {
  for (size_t i = 0; i + sizeof(Block) < n; i += sizeof(Block)) {
    const size_t found = first_of(test(load_block(at + i)));
    if (found < sizeof(Block)) return i + found;
  }
  const size_t last = n - sizeof(Block);
  return last + first_of(test(load_block(at + last)));
}

}  // namespace sallyport
