// Signatures of JOSE (RFC 7518, RFC 8037), by BoringSSL. Immutable keys; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "gateway/base/error.h"

namespace sallyport::crypto {

enum class Algorithm : uint8_t { es256, rs256, ps256, eddsa };
std::string_view to_string(Algorithm a) noexcept;
// "ES256" and so on; nothing for any other, "none" and the HMACs among them.
std::optional<Algorithm> algorithm_from(std::string_view name) noexcept;

class PublicKey {
 public:
  // From the raw parts of a JWK (RFC 7518 section 6). Errors: invalid_data, with what is wrong with the key.
  static Result<PublicKey> ec_p256(std::string_view x, std::string_view y);           // 32 bytes each
  static Result<PublicKey> rsa(std::string_view modulus, std::string_view exponent);  // 2048 to 8192 bits
  static Result<PublicKey> ed25519(std::string_view x);                               // 32 bytes
  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();

  // True if this kind of key is for that algorithm.
  bool fits(Algorithm algorithm) const noexcept;
  bool operator==(const PublicKey& other) const noexcept;
  // True if the signature over the data is good. signature: as JOSE has it (ES256: r and s, 32 bytes each).
  bool verify(Algorithm algorithm, std::string_view data, std::string_view signature) const noexcept;

 private:
  struct Impl;
  explicit PublicKey(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::crypto
