#include "gateway/base/siphash.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;

// The reference's own vectors: the key is the bytes 0, 1, … 15, the text so many of 0, 1, 2, …
TEST_CASE("SipHash-2-4 gives what its authors' vectors say, in 64 and in 128 bits") {
  const SipKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  CHECK(siphash(key, text) == 0x726fdb47dd0e0e31);
  CHECK(siphash128(key, text) == SipTag{0xe6a825ba047f81a3, 0x930255c71472f66d});
  text.assign(1, '\0');
  CHECK(siphash128(key, text) == SipTag{0x44af996bd8c187da, 0x45fc229b11597634});
  for (char c = 1; c < 15; ++c) text += c;
  CHECK(siphash(key, text) == 0xa129ca6149be45e5);
}
