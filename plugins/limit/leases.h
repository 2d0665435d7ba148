// Leases: requests that a worker has taken from buckets of a Redis at once, and spends one by one without
// asking.
//
// A lease is paid for when it is taken, so any number of gateways never let more through than the bucket
// allows; what is held back from the others is a lease at most (a hundredth of the burst by default), for a
// second at most: then the rest goes back with the next request of that caller. Only callers in a hurry have
// one: who asks less than asks_first times in a second is counted by Redis, request by request. One worker's;
// bounded: a new lease takes the place of the one that was there.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/siphash.h"
#include "plugins/limit/gcra.h"

namespace sallyport {

struct Lease {
  static constexpr Duration life = seconds(1);
  static constexpr uint32_t asks_first = 4;

  SipTag key{};
  int64_t ahead_us = 0;  // the bucket as Redis told it last, with all of the lease taken from it
  Monotonic told_at{};
  Monotonic until{};    // the end of the lease; without one, of the second in which asks are counted
  uint32_t left = 0;    // requests that may still be spent
  uint32_t size = 0;    // how many were taken; 0: no lease
  uint32_t asks = 0;    // in this second
  bool asking = false;  // for more of it, in the background

  // Takes one request out of a lease that is good at `now`.
  bool spend(Monotonic now) noexcept {
    if (left == 0 || now >= until) return false;
    --left;
    return true;
  }
  // True once most of it is spent, or its time is over.
  bool wants_more(Monotonic now) const noexcept {
    return size > 0 && !asking && (left <= size / 4 || now >= until);
  }
  // Where the bucket is now, as far as this worker knows: without what is left of the lease.
  int64_t ahead_now(int64_t step_us, Monotonic now) const noexcept {
    const int64_t passed_us = std::chrono::duration_cast<std::chrono::microseconds>(now - told_at).count();
    return ahead_us - passed_us - static_cast<int64_t>(left) * step_us;
  }

  // How many to take next: twice as many for who spends them in half their time, half for who does not.
  uint32_t next_size(Monotonic now, uint32_t most) const noexcept;
  // One request was counted by Redis. True if it is time for a first lease.
  bool asked(Monotonic now) noexcept;
  // Redis has given so many more and taken back what was left over.
  void granted(uint32_t count, int64_t ahead, Monotonic now) noexcept;
  // Redis will be given back what is left: nobody may spend it meanwhile.
  uint32_t hand_in(Monotonic now) noexcept;
};

class Leases {
 public:
  explicit Leases(size_t entries);
  SipTag key_of(std::string_view bucket) const noexcept { return siphash128(secret_, bucket); }
  // Null if it is not there.
  Lease* find(const SipTag& key) noexcept;
  // Made if it is not there.
  Lease& at(const SipTag& key) noexcept;

 private:
  static constexpr size_t ways = 4;
  Lease* row(const SipTag& key) noexcept { return &entries_[key[0] % (entries_.size() / ways) * ways]; }

  SipKey secret_;
  std::vector<Lease> entries_;
};

}  // namespace sallyport
