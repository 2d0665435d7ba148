// Hashes, MACs, comparison and randomness, by BoringSSL. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::crypto {

using Digest = std::array<uint8_t, 32>;

Digest sha256(std::string_view data) noexcept;
Digest hmac_sha256(std::string_view key, std::string_view data) noexcept;

// Takes the same time whatever the contents are.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;
bool equal_in_constant_time(const Digest& a, const Digest& b) noexcept;

// From the system's generator; aborts if there is none.
void random_bytes(void* to, size_t count) noexcept;

// Overwrites a secret before its memory goes back.
void wipe(std::string& secret) noexcept;

}  // namespace sallyport::crypto
