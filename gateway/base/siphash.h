// SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash, so that strangers cannot choose what
// collides. Any thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sallyport {

using SipKey = std::array<uint64_t, 2>;
using SipTag = std::array<uint64_t, 2>;

// The four words that the hash turns.
class SipState {
 public:
  explicit SipState(const SipKey& key) noexcept
      : a_(key[0] ^ 0x736f6d6570736575),
        b_(key[1] ^ 0x646f72616e646f6d),
        c_(key[0] ^ 0x6c7967656e657261),
        d_(key[1] ^ 0x7465646279746573) {}

  void widen() noexcept { b_ ^= 0xee; }  // for the 128-bit form, before any data
  void absorb(std::string_view data) noexcept {
    size_t i = 0;
    for (; i + 8 <= data.size(); i += 8) {
      uint64_t m = 0;
      std::memcpy(&m, data.data() + i, 8);
      word(m);
    }
    uint64_t last = static_cast<uint64_t>(data.size()) << 56;
    for (size_t j = i; j < data.size(); ++j) last |= uint64_t{static_cast<uint8_t>(data[j])} << 8 * (j - i);
    word(last);
  }
  // What the two words are marked with tells one output from another.
  uint64_t finish(uint8_t in_b, uint8_t in_c) noexcept {
    b_ ^= in_b;
    c_ ^= in_c;
    rounds<4>();
    return a_ ^ b_ ^ c_ ^ d_;
  }

 private:
  void word(uint64_t m) noexcept {
    d_ ^= m;
    rounds<2>();
    a_ ^= m;
  }
  template <int n>
  void rounds() noexcept {
    for (int i = 0; i < n; ++i) {
      a_ += b_, b_ = std::rotl(b_, 13) ^ a_, a_ = std::rotl(a_, 32);
      c_ += d_, d_ = std::rotl(d_, 16) ^ c_;
      a_ += d_, d_ = std::rotl(d_, 21) ^ a_;
      c_ += b_, b_ = std::rotl(b_, 17) ^ c_, c_ = std::rotl(c_, 32);
    }
  }

  uint64_t a_, b_, c_, d_;
};

inline uint64_t siphash(const SipKey& key, std::string_view data) noexcept {
  SipState state(key);
  state.absorb(data);
  return state.finish(0, 0xff);
}

// 128 bits: with a key that nobody knows, no text will be found whose tag is that of another.
inline SipTag siphash128(const SipKey& key, std::string_view data) noexcept {
  SipState state(key);
  state.widen();
  state.absorb(data);
  const uint64_t low = state.finish(0, 0xee);
  return {low, state.finish(0xdd, 0)};
}

}  // namespace sallyport
