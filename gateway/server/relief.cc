#include "gateway/server/relief.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "gateway/observe/log.h"
#include "gateway/server/connection.h"

namespace sallyport::server {
namespace {

constexpr Duration every = milliseconds(250);  // all connections are looked at

constexpr size_t share_of_held = 64;  // as much of it has to move as this part

struct Holder {
  Stalled stalled;
  Connection* connection;
};

// Those of clients that have many go first, of these the longest still.
struct Resting {
  bool of_many;
  Duration still;
  Connection* connection;
  auto rank() const noexcept { return std::pair(of_many, still); }
};

// More than this is much: a share of the budget that no ordinary connection needs; or twice what the others
// have, where there are so many that a share is less.
size_t fair_share(const BlockPool& blocks, size_t connections) noexcept {
  constexpr size_t parts = 64;
  return std::min(blocks.budget() / parts, 2 * blocks.held() / connections);
}

// Who has much, the largest first; behind them who asks for nothing, and who has stood still the longest.
struct GivesWayBefore {
  size_t share;
  bool operator()(const Holder& a, const Holder& b) const noexcept {
    const bool much = a.stalled.bytes > share;
    if (much != (b.stalled.bytes > share)) return much;
    if (much) return a.stalled.bytes > b.stalled.bytes;
    if (a.stalled.asks != b.stalled.asks) return b.stalled.asks;
    return a.stalled.still > b.stalled.still;
  }
};

}  // namespace

Duration Standstill::lasts(uint64_t moved, size_t held, Monotonic began, Monotonic now) noexcept {
  const uint64_t share = std::max<uint64_t>(held / share_of_held, 1);
  if (moved < moved_ || moved - moved_ >= share || since_ == Monotonic::max()) {
    moved_ = moved;
    since_ = now;
  }
  return now - std::max(since_, began);
}

void Relief::ask(Loop& loop) {
  loop_ = &loop;
  if (loop.now() >= next_look_) loop.before_wait(*this);
}

void Relief::ask_for_places(Loop& loop, size_t places) {
  if (loop.now() < next_look_) return;
  places_ = places;
  ask(loop);
}

void Relief::at_turn_end() {
  const Monotonic now = loop_->now();
  const size_t places = std::exchange(places_, 0);
  const bool memory_short = loop_->blocks().pressure() >= Pressure::much;
  if (now < next_look_ || (!memory_short && places == 0)) return;
  next_look_ = now + every;
  if (memory_short) relieve_memory(now);
  if (places > 0) make_places(places, now);
}

// Until there is room for a while. Who has little gives way only when there is none left.
void Relief::relieve_memory(Monotonic now) {
  const BlockPool& blocks = loop_->blocks();
  std::vector<Holder> holders;
  size_t connections = 0;
  for (Connection* c = open_.front(); c != nullptr; c = open_.after(*c), ++connections) {
    if (const Stalled stalled = c->stalled(now); stalled.bytes > 0) holders.push_back({stalled, c});
  }
  if (holders.empty()) return;
  const size_t share = fair_share(blocks, connections);
  // Who was refused has given back what it had by now: a little room is none.
  const bool is_spent = blocks.held() >= blocks.budget() / 16 * 15;
  if (!is_spent) std::erase_if(holders, [&](const Holder& h) { return h.stalled.bytes <= share; });
  std::ranges::sort(holders, GivesWayBefore{share});
  const size_t room = blocks.budget() / 8 * 5;
  const size_t held = blocks.held();
  size_t freed = 0, gave_way = 0;
  for (const Holder& h : holders) {
    if (held <= room + freed) break;
    h.connection->give_way(now);
    freed += h.stalled.bytes;
    ++gave_way;
  }
  if (gave_way == 0) return;
  gave_way_.add(gave_way);
  observe::log(observe::Level::warn, "memory_relief",
               {{"connections", fmt::format("{}", gave_way)},
                {"bytes", fmt::format("{}", freed)},
                {"detail",
                 "memory was short (http.memory): connections, or requests of them, whose clients "
                 "neither sent nor read were ended"}},
               1);
}

// A few at a time: their places are free only once they have ended in order.
void Relief::make_places(size_t wanted, Monotonic now) {
  std::vector<Resting> resting;
  for (Connection* c = open_.front(); c != nullptr; c = open_.after(*c)) {
    const Duration still = c->asks_nothing_for(now);
    if (still >= http::Standing::slow_reader_after) resting.push_back({c->place().is_of_many(), still, c});
  }
  if (resting.empty()) return;
  if (resting.size() > wanted) {
    std::ranges::nth_element(resting, resting.begin() + static_cast<ptrdiff_t>(wanted), std::greater(),
                             &Resting::rank);
    resting.resize(wanted);
  }
  for (const Resting& r : resting) r.connection->make_room();
  observe::log(observe::Level::warn, "connections_gave_way",
               {{"connections", fmt::format("{}", resting.size())},
                {"detail",
                 "places were short (http.connections, or the limit of open files): connections that asked "
                 "for nothing were ended for newcomers; raise the limit, or bound what one client may have "
                 "(http.connections_per_address)"}},
               1);
}

}  // namespace sallyport::server
