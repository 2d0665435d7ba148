#include "gateway/crypto/hash.h"

#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace sallyport::crypto {
namespace {

const uint8_t* bytes(std::string_view s) noexcept { return reinterpret_cast<const uint8_t*>(s.data()); }

}  // namespace

Digest sha256(std::string_view data) noexcept {
  Digest out;
  SHA256(bytes(data), data.size(), out.data());
  return out;
}

std::array<uint8_t, 20> sha1(std::string_view data) noexcept {
  std::array<uint8_t, 20> out;
  SHA1(bytes(data), data.size(), out.data());
  return out;
}

HmacSha256::HmacSha256(std::string_view key) noexcept {
  std::array<uint8_t, SHA256_CBLOCK> block{};
  if (key.size() > block.size()) {
    SHA256(bytes(key), key.size(), block.data());
  } else {
    std::ranges::copy(key, block.begin());
  }
  const auto begin = [&](State& state, uint8_t pad) {
    static_assert(sizeof(SHA256_CTX) <= sizeof(State) && std::is_trivially_copyable_v<SHA256_CTX>);
    std::array<uint8_t, SHA256_CBLOCK> padded = block;
    for (uint8_t& byte : padded) byte ^= pad;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, padded.data(), padded.size());
    std::memcpy(state.data(), &context, sizeof context);
    OPENSSL_cleanse(padded.data(), padded.size());
  };
  begin(inner_, 0x36);
  begin(outer_, 0x5c);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacSha256::~HmacSha256() {
  OPENSSL_cleanse(inner_.data(), sizeof inner_);
  OPENSSL_cleanse(outer_.data(), sizeof outer_);
}

Digest HmacSha256::operator()(std::string_view data) const noexcept {
  Digest digest;
  SHA256_CTX context;
  std::memcpy(&context, inner_.data(), sizeof context);
  SHA256_Update(&context, data.data(), data.size());
  SHA256_Final(digest.data(), &context);
  std::memcpy(&context, outer_.data(), sizeof context);
  SHA256_Update(&context, digest.data(), digest.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}
bool equal_in_constant_time(const Digest& a, const Digest& b) noexcept {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void random_bytes(void* to, size_t count) noexcept {
  if (RAND_bytes(static_cast<uint8_t*>(to), count) != 1) std::abort();
}

void wipe(std::string& secret) noexcept {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace sallyport::crypto
