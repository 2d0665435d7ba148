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

inline uint64_t siphash(const SipKey& key, std::string_view data) noexcept {
  uint64_t a = key[0] ^ 0x736f6d6570736575, b = key[1] ^ 0x646f72616e646f6d, c = key[0] ^ 0x6c7967656e657261,
           d = key[1] ^ 0x7465646279746573;
  const auto rounds = [&](int n) {
    for (int i = 0; i < n; ++i) {
      a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
      c += d, d = std::rotl(d, 16) ^ c;
      a += d, d = std::rotl(d, 21) ^ a;
      c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
    }
  };
  const auto word = [&](uint64_t m) {
    d ^= m;
    rounds(2);
    a ^= m;
  };
  size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    uint64_t m = 0;
    std::memcpy(&m, data.data() + i, 8);
    word(m);
  }
  uint64_t last = static_cast<uint64_t>(data.size()) << 56;
  for (size_t j = i; j < data.size(); ++j) last |= uint64_t{static_cast<uint8_t>(data[j])} << 8 * (j - i);
  word(last);
  c ^= 0xff;
  rounds(4);
  return a ^ b ^ c ^ d;
}

}  // namespace sallyport
