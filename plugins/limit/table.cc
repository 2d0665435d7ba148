#include "plugins/limit/table.h"

#include <limits>

#include "gateway/crypto/hash.h"

namespace sallyport {

LimitTable::LimitTable(size_t entries)
    : row_count_(std::max(entries / ways, size_t{1})), rows_(new Row[row_count_]) {
  crypto::random_bytes(seed_.data(), sizeof seed_);
}

std::atomic<int64_t>* LimitTable::find(Row& row, uint64_t key) const noexcept {
  for (size_t i = 0; i < ways; ++i) {
    if (row.keys[i].load(std::memory_order_acquire) == key) return &row.tats[i];
  }
  return nullptr;
}

std::atomic<int64_t>& LimitTable::find_or_insert(uint64_t key) noexcept {
  Row& row = row_of(key);
  if (auto* found = find(row, key)) return *found;
  while (
      row.inserting.exchange(true, std::memory_order_acquire)) {  // eight loads long, and only for new keys
  }
  auto* place = find(row, key);
  if (place == nullptr) {
    size_t oldest = 0;
    int64_t least = std::numeric_limits<int64_t>::max();
    for (size_t i = 0; i < ways; ++i) {
      const int64_t tat = row.keys[i].load(std::memory_order_relaxed) == 0
                              ? std::numeric_limits<int64_t>::min()
                              : row.tats[i].load(std::memory_order_relaxed);
      if (tat < least) {
        least = tat;
        oldest = i;
      }
    }
    row.tats[oldest].store(0, std::memory_order_relaxed);
    row.keys[oldest].store(key, std::memory_order_release);
    place = &row.tats[oldest];
  }
  row.inserting.store(false, std::memory_order_release);
  return *place;
}

LimitTable::Taken LimitTable::take(uint64_t key, const Gcra& rule, int64_t now) noexcept {
  std::atomic<int64_t>& tat = find_or_insert(key);
  int64_t seen = tat.load(std::memory_order_relaxed);
  for (;;) {
    if (!rule.allows(seen, now)) return {false, seen};
    const int64_t next = rule.after(seen, now);
    if (tat.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return {true, next};
  }
}

int64_t LimitTable::look(uint64_t key) const noexcept {
  const auto* found = find(row_of(key), key);
  return found == nullptr ? 0 : found->load(std::memory_order_relaxed);
}

void LimitTable::give_back(uint64_t key, const Gcra& rule) noexcept {
  if (auto* found = find(row_of(key), key)) found->fetch_sub(rule.step, std::memory_order_relaxed);
}

}  // namespace sallyport
