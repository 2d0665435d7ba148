#include "gateway/crypto/hash.h"

#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstdlib>

namespace sallyport::crypto {
namespace {

const uint8_t* bytes(std::string_view s) noexcept { return reinterpret_cast<const uint8_t*>(s.data()); }

}  // namespace

Digest sha256(std::string_view data) noexcept {
  Digest out;
  SHA256(bytes(data), data.size(), out.data());
  return out;
}

Digest hmac_sha256(std::string_view key, std::string_view data) noexcept {
  Digest out;
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), key.size(), bytes(data), data.size(), out.data(), &length);
  return out;
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
