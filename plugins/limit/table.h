// LimitTable: the buckets of one limit in the embedded store, for all workers: a fixed table without locks on
// the way of a request.
//
// Eight places a row; a key has its place in one of three rows, which its hash names: in the first while half
// of that is free, so that most keys are found at the first look, else where the most places are (the power
// of several choices, Azar et al.: with one row the first key finds no place when a quarter of the table is
// taken, with three when four fifths are). A bucket that is full again is as good as free. When no place of
// the three rows is free, a new key takes that of the bucket that is used least, and begins with as much of
// its own used: nobody gains by being pushed out and coming back (the space-saving algorithm of Metwally et
// al.). A bucket that refuses is never pushed out: where all of them do, the new key is refused as well. So
// whoever floods the table with keys frees neither his own used-up bucket nor anybody else's; and what he
// takes up are the places of this limit, of no other. Keys are 64 bits of a keyed hash. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "gateway/base/siphash.h"
#include "plugins/limit/gcra.h"

namespace sallyport {

class LimitTable {
 public:
  // The time in ns, at this moment.
  using Clock = int64_t (*)() noexcept;
  // Takes address space for that many buckets, and memory only for the rows that are used. clock: for threads
  // whose `now` is of a while ago, so that none takes for too much what others have counted since; null:
  // there are none.
  explicit LimitTable(size_t entries, Clock clock = nullptr);

  uint64_t hash(std::string_view key) const noexcept { return siphash(seed_, key) | 1; }  // never 0

  struct Taken {
    bool allowed = false;
    int64_t tat = 0;  // afterwards
  };
  // Takes one request from the bucket, if it allows it; a refusal takes nothing. Times in ns.
  Taken take(uint64_t key, const Gcra& rule, int64_t now) noexcept;
  // The bucket as it is, without taking.
  int64_t look(uint64_t key) const noexcept;
  // Gives one request back that was taken in vain.
  void give_back(uint64_t key, const Gcra& rule) noexcept;

 private:
  static constexpr size_t ways = 8, choices = 3;
  // Plain numbers, which threads touch through std::atomic_ref only: zeroed memory is a row of free places.
  struct alignas(64) Row {
    std::array<uint64_t, ways> keys;
    std::array<int64_t, ways> tats;
    // 1: a thread looks for a place for a key whose first row this is; and: it puts one in here. Who has the
    // second waits for nobody, so that nobody waits for ever.
    uint32_t finding;
    uint32_t inserting;
  };
  static_assert(sizeof(Row) == 3 * 64);
  // A key's bucket; none: both are null.
  struct Place {
    uint64_t* key = nullptr;
    int64_t* tat = nullptr;
  };
  // Of a row: how many places are free, and which bucket is used least, until when.
  struct Use {
    size_t free = 0, at = 0;
    int64_t least = std::numeric_limits<int64_t>::max();
  };

  // Each choice by bits of the hash that the others do not look at.
  Row& row_of(uint64_t key, size_t choice) const noexcept {
    return rows_[(std::rotr(key, static_cast<int>(21 * choice)) >> 1) % row_count_];
  }
  static Place find_in(Row& row, uint64_t key) noexcept;
  Place find(uint64_t key) const noexcept;
  // Out of the way of those that are found at the first look.
  [[gnu::noinline]] Place find_elsewhere(uint64_t key) const noexcept;
  // When the bucket will be full again, by this rule; one that was further ahead drains from now on.
  int64_t tat_of(int64_t& place, const Gcra& rule, int64_t now) const noexcept;
  Taken take_from(Place place, const Gcra& rule, int64_t now) const noexcept;
  [[gnu::noinline]] Taken take_as_new(uint64_t key, const Gcra& rule, int64_t now) noexcept;
  Use use_of(Row& row, const Gcra& rule, int64_t now) const noexcept;
  Row* row_for(uint64_t key, const Gcra& rule, int64_t now) const noexcept;
  std::optional<int64_t> insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) const noexcept;

  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  const Clock clock_;
  SipKey seed_;
  size_t row_count_;
  std::unique_ptr<void, Free> memory_;
  Row* rows_ = nullptr;  // in memory_
};

}  // namespace sallyport
