// Leases: requests that a worker has taken from buckets of a Redis at once, and spends one by one without
// asking.
//
// A lease is paid for when it is taken, and what the bucket refills meanwhile is spent no more: any number of
// gateways together never let more through than the bucket allows. What is held back from the others is a
// lease at most (a hundredth of the burst by default); a keeper gives back, second by second, what was not
// spent. Only callers in a hurry have one: who asks less than asks_first times in a second is counted by
// Redis, request by request. One worker's and Redis'; bounded: a new lease takes the place of another.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/siphash.h"
#include "plugins/limit/gcra.h"

namespace sallyport {

// All times of rule and bucket in microseconds.
struct Lease {
  static constexpr Duration life = seconds(1);
  static constexpr uint32_t asks_first = 4;

  SipTag key{};
  Gcra rule;                  // under which it was taken; another one is another lease
  int64_t ahead_us = 0;       // the bucket as Redis told it last, with all of the lease taken from it
  Monotonic told_at{};        // when Redis was asked for that: what has passed since is never too little
  Monotonic until{};          // the end of the lease
  Monotonic counted_until{};  // the end of the second in which asks are counted
  uint32_t left = 0;          // requests that may still be spent
  uint32_t size = 0;          // how many were there after the last answer; 0: no lease
  uint32_t asks = 0;
  bool asking = false;  // for more of it, in the background
  bool kept = false;    // a keeper looks after it

  // Takes one request out of a lease that is good at `now`.
  bool spend(Monotonic now) noexcept {
    if (!good(now)) return false;
    --left;
    return true;
  }
  // True if a request could be spent. What the bucket has refilled by now is not left any more: others may
  // have taken it.
  bool good(Monotonic now) noexcept {
    settle(now);
    return left > 0 && now < until;
  }
  // True once most of it is gone, or its time is over.
  bool wants_more(Monotonic now) noexcept {
    settle(now);
    return size > 0 && !asking && (left <= size / 4 || now >= until);
  }
  // Where the bucket is now, as far as this worker knows: without what is left of the lease.
  int64_t ahead_now(Monotonic now) const noexcept {
    return std::max<int64_t>(owed(now) - static_cast<int64_t>(left) * rule.step, 0);
  }

  // How many to take next: twice as many for who needs more in half their time, half for who does not.
  uint32_t next_size(Monotonic now, uint32_t most) const noexcept;
  // One request was counted by Redis. True if it is time for a first lease.
  bool asked(Monotonic now) noexcept;
  // Redis, asked at that time, has given so many more.
  void granted(uint32_t count, int64_t ahead, Monotonic asked_at) noexcept;
  // What Redis is to be given back once the time is over: nobody may spend it meanwhile.
  uint32_t hand_in(Monotonic now) noexcept;

 private:
  // What Redis still counts of all that was taken by then.
  int64_t owed(Monotonic now) const noexcept {
    const int64_t passed_us = std::chrono::ceil<std::chrono::microseconds>(now - told_at).count();
    return std::max<int64_t>(ahead_us - passed_us, 0);
  }
  void settle(Monotonic now) noexcept {
    if (left > 0) left = static_cast<uint32_t>(std::min<int64_t>(left, owed(now) / rule.step));
  }
};

class Leases {
 public:
  explicit Leases(size_t entries);
  SipTag key_of(std::string_view bucket) const noexcept { return siphash128(secret_, bucket); }
  // Null if there is none, or one under another rule.
  Lease* find(const SipTag& key, const Gcra& rule) noexcept;
  // Made if it is not there.
  Lease& at(const SipTag& key, const Gcra& rule, Monotonic now) noexcept;

 private:
  static constexpr size_t ways = 4;
  Lease* row(const SipTag& key) noexcept { return &entries_[key[0] % (entries_.size() / ways) * ways]; }

  SipKey secret_;
  std::vector<Lease> entries_;
};

}  // namespace sallyport
