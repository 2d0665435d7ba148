#include "plugins/limit/table.h"

#include <algorithm>
#include <limits>
#include <new>

#include "gateway/crypto/hash.h"

namespace sallyport {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

LimitTable::LimitTable(size_t entries)
    : row_count_(std::max(entries / ways, size_t{1})), memory_(std::calloc(row_count_ + 1, sizeof(Row))) {
  if (memory_ == nullptr) throw std::bad_alloc();
  void* begin = memory_.get();
  size_t space = (row_count_ + 1) * sizeof(Row);
  rows_ = static_cast<Row*>(std::align(alignof(Row), row_count_ * sizeof(Row), begin, space));
  crypto::random_bytes(seed_.data(), sizeof seed_);
}

size_t LimitTable::find(Row& row, uint64_t key) noexcept {
  size_t i = 0;
  while (i < ways && std::atomic_ref(row.keys[i]).load(std::memory_order_acquire) != key) ++i;
  return i;
}

int64_t LimitTable::tat_of(Row& row, size_t place, const Gcra& rule, int64_t now) noexcept {
  const std::atomic_ref tat(row.tats[place]);
  int64_t seen = tat.load(relaxed);
  for (;;) {
    const int64_t right = rule.clamped(seen, now);
    if (right == seen || tat.compare_exchange_weak(seen, right, relaxed)) return right;
  }
}

// `ways` if every place is taken by a bucket that refuses.
size_t LimitTable::find_or_insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) noexcept {
  size_t place = find(row, key);
  if (place < ways) return place;
  const std::atomic_ref inserting(row.inserting);
  while (inserting.exchange(1, std::memory_order_acquire) != 0) {  // for as long as another key is put in
  }
  place = find(row, key);
  if (place == ways) place = insert(row, key, rule, now);
  inserting.store(0, std::memory_order_release);
  return place;
}

size_t LimitTable::insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) noexcept {
  size_t place = 0;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (size_t i = 0; i < ways && least > now; ++i) {
    const int64_t tat = tat_of(row, i, rule, now);
    if (tat >= least) continue;
    least = tat;
    place = i;
  }
  if (!rule.allows(least, now)) return ways;
  // To the fraction of a request: whoever pushes others out and comes back would gain it each time.
  std::atomic_ref(row.tats[place]).store(least > now ? least : 0, relaxed);
  std::atomic_ref(row.keys[place]).store(key, std::memory_order_release);
  return place;
}

LimitTable::Taken LimitTable::take(uint64_t key, const Gcra& rule, int64_t now) noexcept {
  Row& row = row_of(key);
  const size_t place = find_or_insert(row, key, rule, now);
  if (place == ways) return {false, now + rule.most};
  const std::atomic_ref tat(row.tats[place]);
  int64_t seen = tat_of(row, place, rule, now);
  for (;;) {
    if (!rule.allows(seen, now)) return {false, seen};
    const int64_t next = rule.after(seen, now);
    if (tat.compare_exchange_weak(seen, next, relaxed)) return {true, next};
  }
}

int64_t LimitTable::look(uint64_t key) const noexcept {
  Row& row = row_of(key);
  const size_t place = find(row, key);
  return place == ways ? 0 : std::atomic_ref(row.tats[place]).load(relaxed);
}

void LimitTable::give_back(uint64_t key, const Gcra& rule) noexcept {
  Row& row = row_of(key);
  const size_t place = find(row, key);
  if (place < ways) std::atomic_ref(row.tats[place]).fetch_sub(rule.step, relaxed);
}

}  // namespace sallyport
