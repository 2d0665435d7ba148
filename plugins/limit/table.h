// LimitTable: the buckets of the embedded store, for all workers: a fixed table without locks on the way of a
// request.
//
// Eight places a row; a key has its place in the row that its hash names. A bucket that is full again is as
// good as free. When all eight are in use, the one that is the nearest to being full gives way: whoever
// floods the table with keys gets others' nearly full buckets filled, and never his own emptied one. Keys are
// 64 bits of a keyed hash. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "gateway/base/siphash.h"
#include "plugins/limit/gcra.h"

namespace sallyport {

class LimitTable {
 public:
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
  struct alignas(64) Row {
    std::array<std::atomic<uint64_t>, ways> keys{};
    std::array<std::atomic<int64_t>, ways> tats{};
    std::atomic<bool> inserting{false};
  };
  Row& row_of(uint64_t key) const noexcept { return rows_[(key >> 1) % row_count_]; }
  std::atomic<int64_t>* find(Row& row, uint64_t key) const noexcept;
  std::atomic<int64_t>& find_or_insert(uint64_t key) noexcept;

  SipKey seed_;
  size_t row_count_;
  std::unique_ptr<Row[]> rows_;
};

}  // namespace sallyport
