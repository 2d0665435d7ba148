#include "plugins/limit/leases.h"

#include <algorithm>
#include <utility>

#include "gateway/crypto/hash.h"

namespace sallyport {

uint32_t Lease::next_size(Monotonic now, uint32_t most) const noexcept {
  if (size == 0) return std::min(asks_first, most);
  if (now >= until) return size / 2 < asks_first ? 0 : size / 2;
  return std::min(now - told_at < life / 2 ? size * 2 : size, most);
}

bool Lease::asked(Monotonic now) noexcept {
  if (size == 0 && now >= until) {
    until = now + life;
    asks = 0;
  }
  return ++asks >= asks_first && size == 0 && !asking;
}

void Lease::granted(uint32_t count, int64_t ahead, Monotonic now) noexcept {
  left += count;
  size = left;
  ahead_us = ahead;
  told_at = now;
  until = now + life;
  asks = 0;
}

uint32_t Lease::hand_in(Monotonic now) noexcept { return now >= until ? std::exchange(left, 0) : 0; }

Leases::Leases(size_t entries) : entries_(std::max(entries / ways, size_t{1}) * ways) {
  crypto::random_bytes(secret_.data(), sizeof secret_);
}

Lease* Leases::find(const SipTag& key) noexcept {
  Lease* const first = row(key);
  Lease* const found = std::find_if(first, first + ways, [&](const Lease& l) { return l.key == key; });
  return found == first + ways ? nullptr : found;
}

// Who only counts asks gives way to who holds a lease; among equals, the one whose time is over first.
Lease& Leases::at(const SipTag& key) noexcept {
  if (Lease* known = find(key)) return *known;
  Lease* const first = row(key);
  Lease& place = *std::min_element(first, first + ways, [](const Lease& a, const Lease& b) {
    return std::pair(a.size > 0, a.until) < std::pair(b.size > 0, b.until);
  });
  place = Lease{};
  place.key = key;
  return place;
}

}  // namespace sallyport
