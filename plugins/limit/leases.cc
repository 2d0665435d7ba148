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
  if (now >= counted_until) {
    counted_until = now + life;
    asks = 0;
  }
  return ++asks >= asks_first && size == 0 && !asking;
}

void Lease::granted(uint32_t count, int64_t ahead, Monotonic asked_at) noexcept {
  left += count;
  size = left;
  ahead_us = ahead;
  told_at = asked_at;
  until = asked_at + life;
  asks = 0;
}

uint32_t Lease::hand_in(Monotonic now) noexcept {
  settle(now);
  return now >= until ? std::exchange(left, 0) : 0;
}

Leases::Leases(size_t entries) : entries_(std::max(entries / ways, size_t{1}) * ways) {
  crypto::random_bytes(secret_.data(), sizeof secret_);
}

Lease* Leases::find(const SipTag& key, const Gcra& rule) noexcept {
  Lease* const first = row(key);
  Lease* const found =
      std::find_if(first, first + ways, [&](const Lease& l) { return l.key == key && l.rule == rule; });
  return found == first + ways ? nullptr : found;
}

// Who only counts asks, or whose time is over, gives way to who holds a lease; among equals, the first to
// end.
Lease& Leases::at(const SipTag& key, const Gcra& rule, Monotonic now) noexcept {
  if (Lease* known = find(key, rule)) return *known;
  const auto worth = [&](const Lease& l) {
    return std::pair(l.size > 0 && now < l.until, std::max(l.until, l.counted_until));
  };
  Lease* const first = row(key);
  Lease& place = *std::min_element(first, first + ways,
                                   [&](const Lease& a, const Lease& b) { return worth(a) < worth(b); });
  place = Lease{};
  place.key = key;
  place.rule = rule;
  return place;
}

}  // namespace sallyport
