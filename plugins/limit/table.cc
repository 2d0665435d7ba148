#include "plugins/limit/table.h"

#include <algorithm>

#include "gateway/crypto/hash.h"

namespace sallyport {
namespace {

float room_of(const Gcra& rule) noexcept { return static_cast<float>(rule.most - rule.step); }

constexpr float refusing = 2;

// The share that is used up of what a bucket may be ahead: 0 is full, above 1 refuses.
float use_of(int64_t ahead, float room) noexcept {
  if (ahead <= 0) return 0;
  if (room <= 0) return refusing;  // a burst of one
  return static_cast<float>(ahead) / room;
}

}  // namespace

LimitTable::LimitTable(size_t entries)
    : row_count_(std::max(entries / ways, size_t{1})), rows_(new Row[row_count_]) {
  crypto::random_bytes(seed_.data(), sizeof seed_);
}

size_t LimitTable::find(const Row& row, uint64_t key) noexcept {
  size_t i = 0;
  while (i < ways && row.keys[i].load(std::memory_order_acquire) != key) ++i;
  return i;
}

// `ways` if every place is taken by a bucket that refuses.
size_t LimitTable::find_or_insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) noexcept {
  size_t place = find(row, key);
  if (place < ways) return place;
  while (row.inserting.exchange(true, std::memory_order_acquire)) {  // for as long as another key is put in
  }
  place = find(row, key);
  if (place == ways) place = insert(row, key, rule, now);
  row.inserting.store(false, std::memory_order_release);
  return place;
}

size_t LimitTable::insert(Row& row, uint64_t key, const Gcra& rule, int64_t now) noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  size_t place = ways;
  float least = refusing;
  for (size_t i = 0; i < ways && least > 0; ++i) {
    const float use = use_of(row.tats[i].load(relaxed) - now, row.rooms[i].load(relaxed));
    if (use >= least) continue;
    least = use;
    place = i;
  }
  if (least > 1) return ways;
  // In whole requests: what is less than one of them is none.
  const auto used = static_cast<int64_t>(least * room_of(rule) / static_cast<float>(rule.step) + 0.001F);
  row.tats[place].store(used > 0 ? now + used * rule.step : 0, relaxed);
  row.rooms[place].store(room_of(rule), relaxed);
  row.keys[place].store(key, std::memory_order_release);
  return place;
}

LimitTable::Taken LimitTable::take(uint64_t key, const Gcra& rule, int64_t now) noexcept {
  Row& row = row_of(key);
  const size_t place = find_or_insert(row, key, rule, now);
  if (place == ways) return {false, now + rule.most};
  const float room = room_of(rule);
  if (row.rooms[place].load(std::memory_order_relaxed) != room)  // a reload has changed the rule
    row.rooms[place].store(room, std::memory_order_relaxed);
  std::atomic<int64_t>& tat = row.tats[place];
  int64_t seen = tat.load(std::memory_order_relaxed);
  for (;;) {
    if (!rule.allows(seen, now)) return {false, seen};
    const int64_t next = rule.after(seen, now);
    if (tat.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return {true, next};
  }
}

int64_t LimitTable::look(uint64_t key) const noexcept {
  const Row& row = row_of(key);
  const size_t place = find(row, key);
  return place == ways ? 0 : row.tats[place].load(std::memory_order_relaxed);
}

void LimitTable::give_back(uint64_t key, const Gcra& rule) noexcept {
  Row& row = row_of(key);
  const size_t place = find(row, key);
  if (place < ways) row.tats[place].fetch_sub(rule.step, std::memory_order_relaxed);
}

}  // namespace sallyport
