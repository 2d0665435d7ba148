// Hashes, MACs, comparison and randomness, by BoringSSL. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::crypto {

using Digest = std::array<uint8_t, 32>;

Digest sha256(std::string_view data) noexcept;
// Not for security: RFC 6455 has it in the handshake of a WebSocket, and Redis knows scripts by it.
std::array<uint8_t, 20> sha1(std::string_view data) noexcept;

// HMAC-SHA-256 (RFC 2104) under one key: what depends on the key alone is done once. Immutable; any thread.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key) noexcept;
  ~HmacSha256();  // wipes what it knows of the key
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  Digest operator()(std::string_view data) const noexcept;

 private:
  using State = std::array<uint32_t, 32>;  // SHA-256 after the first block, of the inner and the outer hash
  State inner_, outer_;
};

inline Digest hmac_sha256(std::string_view key, std::string_view data) noexcept {
  return HmacSha256(key)(data);
}

// Takes the same time whatever the contents are.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;
bool equal_in_constant_time(const Digest& a, const Digest& b) noexcept;

// From the system's generator; aborts if there is none.
void random_bytes(void* to, size_t count) noexcept;

// Overwrites a secret before its memory goes back.
void wipe(std::string& secret) noexcept;

}  // namespace sallyport::crypto
