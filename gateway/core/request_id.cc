#include "gateway/core/request_id.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

// 16 digits of what is random anyway: in which order its bytes lie is no matter.
void put_hex(uint64_t value, char* to) noexcept {
  text::put_hex({reinterpret_cast<const char*>(&value), sizeof value}, to);
}

// "00-" 32 hex "-" 16 hex "-" 2 hex, lower case, neither id all zeros (section 3.2.2 of the recommendation).
bool is_traceparent(Slice s) noexcept {
  if (s.size() != 55 || !s.starts_with("00-") || s[35] != '-' || s[52] != '-') return false;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const Slice trace = s.substr(3, 32), parent = s.substr(36, 16), flags = s.substr(53, 2);
  for (Slice part : {trace, parent, flags}) {
    if (!std::ranges::all_of(part, is_hex)) return false;
  }
  return trace.find_first_not_of('0') != Slice::npos && parent.find_first_not_of('0') != Slice::npos;
}

}  // namespace

IdGenerator::IdGenerator() {
  if (getrandom(state_.data(), sizeof state_, 0) != static_cast<ssize_t>(sizeof state_)) std::abort();
  state_[0] |= 1;  // not all zeros
}

// xoroshiro128+ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018).
uint64_t IdGenerator::next() noexcept {
  const uint64_t a = state_[0];
  uint64_t b = state_[1];
  const uint64_t result = a + b;
  b ^= a;
  state_[0] = std::rotl(a, 24) ^ b ^ (b << 16);
  state_[1] = std::rotl(b, 37);
  return result;
}

Slice IdGenerator::request_id(Arena& arena) {
  char* at = arena.allocate(32);
  put_hex(next(), at);
  put_hex(next(), at + 16);
  return {at, 32};
}

Slice IdGenerator::traceparent(Slice incoming, Arena& arena) {
  char* at = arena.allocate(55);
  if (is_traceparent(incoming)) {
    incoming.copy(at, 55);
  } else {
    Slice("00-00000000000000000000000000000000-0000000000000000-00").copy(at, 55);
    put_hex(next(), at + 3);
    put_hex(next() | 1, at + 19);
  }
  put_hex(next() | 1, at + 36);
  return {at, 55};
}

IdGenerator& IdGenerator::here() {
  thread_local IdGenerator generator;
  return generator;
}

}  // namespace sallyport
