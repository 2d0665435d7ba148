#include "plugins/limit/table.h"

#include <algorithm>
#include <new>

#include "gateway/crypto/hash.h"

namespace sallyport {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

// A row's flag, held for as long as a key is put in, which waits for nothing.
class Held {
 public:
  explicit Held(uint32_t& flag) noexcept : flag_(flag) {
    while (flag_.exchange(1, std::memory_order_acquire) != 0) {
    }
  }
  Held(const Held&) = delete;
  ~Held() { flag_.store(0, std::memory_order_release); }

 private:
  std::atomic_ref<uint32_t> flag_;
};

}  // namespace

LimitTable::LimitTable(size_t entries, Clock clock)
    : clock_(clock),
      row_count_(std::max(entries / ways, size_t{1})),
      memory_(std::calloc(row_count_ + 1, sizeof(Row))) {
  if (memory_ == nullptr) throw std::bad_alloc();
  void* begin = memory_.get();
  size_t space = (row_count_ + 1) * sizeof(Row);
  rows_ = static_cast<Row*>(std::align(alignof(Row), row_count_ * sizeof(Row), begin, space));
  crypto::random_bytes(seed_.data(), sizeof seed_);
}

LimitTable::Place LimitTable::find_in(Row& row, uint64_t key) noexcept {
  size_t i = 0;
  while (i < ways && std::atomic_ref(row.keys[i]).load(std::memory_order_acquire) != key) ++i;
  return i < ways ? Place{&row.keys[i], &row.tats[i]} : Place{};
}

LimitTable::Place LimitTable::find(uint64_t key) const noexcept {
  Place place = find_in(row_of(key, 0), key);
  return place.key != nullptr ? place : find_elsewhere(key);
}

LimitTable::Place LimitTable::find_elsewhere(uint64_t key) const noexcept {
  Place place;
  for (size_t choice = 1; place.key == nullptr && choice < choices; ++choice)
    place = find_in(row_of(key, choice), key);
  return place;
}

int64_t LimitTable::tat_of(int64_t& place, const Gcra& rule, int64_t now) const noexcept {
  const std::atomic_ref tat(place);
  int64_t seen = tat.load(relaxed);
  for (;;) {
    if (seen - now <= rule.most) return seen;
    const int64_t right = rule.clamped(seen, clock_ != nullptr ? clock_() : now);
    if (right == seen || tat.compare_exchange_weak(seen, right, relaxed)) return right;
  }
}

LimitTable::Use LimitTable::use_of(Row& row, const Gcra& rule, int64_t now) const noexcept {
  Use use;
  for (size_t i = 0; i < ways; ++i) {
    const int64_t tat = tat_of(row.tats[i], rule, now);
    use.free += tat <= now ? 1 : 0;
    if (tat >= use.least) continue;
    use.least = tat;
    use.at = i;
  }
  return use;
}

// Null if every place is taken by a bucket that refuses.
LimitTable::Row* LimitTable::row_for(uint64_t key, const Gcra& rule, int64_t now) const noexcept {
  Row* best = nullptr;
  Use least;
  for (size_t choice = 0; choice < choices && least.free < ways / 2; ++choice) {
    Row& row = row_of(key, choice);
    const Use use = use_of(row, rule, now);
    if (use.free < least.free || (use.free == least.free && use.least >= least.least)) continue;
    best = &row;
    least = use;
  }
  return rule.allows(least.least, now) ? best : nullptr;
}

// Puts a key in whose first request is taken at once: else its place would be as good as free until then, and
// go to the next one. Nothing if every place is taken by a bucket that refuses, or was used just now.
std::optional<int64_t> LimitTable::insert(Row& row, uint64_t key, const Gcra& rule,
                                          int64_t now) const noexcept {
  Use use = use_of(row, rule, now);
  if (!rule.allows(use.least, now)) return std::nullopt;
  // From the least, to the fraction of a request: whoever pushes others out and comes back would gain it each
  // time.
  const int64_t next = rule.after(use.least, now);
  if (!std::atomic_ref(row.tats[use.at]).compare_exchange_strong(use.least, next, relaxed))
    return std::nullopt;
  std::atomic_ref(row.keys[use.at]).store(key, std::memory_order_release);
  return next;
}

LimitTable::Taken LimitTable::take_from(Place place, const Gcra& rule, int64_t now) const noexcept {
  const std::atomic_ref tat(*place.tat);
  int64_t seen = tat_of(*place.tat, rule, now);
  for (;;) {
    if (!rule.allows(seen, now)) return {false, seen};
    const int64_t next = rule.after(seen, now);
    if (tat.compare_exchange_weak(seen, next, relaxed)) return {true, next};
  }
}

LimitTable::Taken LimitTable::take_as_new(uint64_t key, const Gcra& rule, int64_t now) noexcept {
  const Held same_key(row_of(key, 0).finding);  // one key has one bucket
  if (const Place place = find(key); place.key != nullptr) return take_from(place, rule, now);
  while (Row* row = row_for(key, rule, now)) {
    const Held same_row(row->inserting);
    if (const auto tat = insert(*row, key, rule, now)) return {true, *tat};
  }
  return {false, now + rule.most};
}

LimitTable::Taken LimitTable::take(uint64_t key, const Gcra& rule, int64_t now) noexcept {
  const Place place = find(key);
  return place.key != nullptr ? take_from(place, rule, now) : take_as_new(key, rule, now);
}

int64_t LimitTable::look(uint64_t key) const noexcept {
  const Place place = find(key);
  return place.key == nullptr ? 0 : std::atomic_ref(*place.tat).load(relaxed);
}

void LimitTable::give_back(uint64_t key, const Gcra& rule) noexcept {
  if (const Place place = find(key); place.key != nullptr)
    std::atomic_ref(*place.tat).fetch_sub(rule.step, relaxed);
}

}  // namespace sallyport
