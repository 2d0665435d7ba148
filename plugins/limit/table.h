// LimitTable: the buckets of one limit in the embedded store, for all workers: a fixed table without locks on
// the way of a request.
//
// Eight places a row; a key has its place in the row that its hash names. A bucket that is full again is as
// good as free. When none of the eight is free, a new key takes the place of the bucket that is used least,
// and begins with as much of its own used: nobody gains by being pushed out and coming back (the space-saving
// algorithm of Metwally et al.). A bucket that refuses is never pushed out: where all eight do, the new key
// is refused as well. So whoever floods the table with keys frees neither his own used-up bucket nor anybody
// else's; and what he takes up are the places of this limit, of no other. Keys are 64 bits of a keyed hash.
// Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "gateway/base/siphash.h"
#include "plugins/limit/gcra.h"

namespace sallyport {

class LimitTable {
 public:
  // Takes address space for that many buckets, and memory only for the rows that are used.
  explicit LimitTable(size_t entries);

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
  static constexpr size_t ways = 8;
  // Plain numbers, which threads touch through std::atomic_ref only: zeroed memory is a row of free places.
  struct alignas(64) Row {
    std::array<uint64_t, ways> keys;
    std::array<int64_t, ways> tats;
    uint32_t inserting;  // 1: a thread puts a key in
  };
  static_assert(sizeof(Row) == 3 * 64);
  Row& row_of(uint64_t key) const noexcept { return rows_[(key >> 1) % row_count_]; }
  // Which place of the row; `ways`: none.
  static size_t find(Row& row, uint64_t key) noexcept;
  // When the bucket will be full again, by this rule; one that was further ahead drains from now on.
  static int64_t tat_of(Row& row, size_t place, const Gcra& rule, int64_t now) noexcept;
  static size_t find_or_insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) noexcept;
  static size_t insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) noexcept;

  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  SipKey seed_;
  size_t row_count_;
  std::unique_ptr<void, Free> memory_;
  Row* rows_ = nullptr;  // in memory_
};

}  // namespace sallyport
