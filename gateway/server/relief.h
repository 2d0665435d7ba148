// Relief: who gives way while the worker's memory is short. Whoever holds much of it for a client that does
// not move ends, so that those who ask for little are answered; when it is spent by many who hold little
// each, those of them end that do not ask for anything yet, and then those that have stood still the longest.
// Where there are no more places for connections, those that ask for nothing make room for newcomers.
//
// Owned by the worker; its thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gateway/async/loop.h"
#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/http/standing.h"
#include "gateway/observe/metrics.h"

namespace sallyport::server {

class Connection;

// What is held for a client that does not move.
struct Stalled {
  size_t bytes = 0;  // 0: something moves, or others are waited for
  Duration still{};
  bool asks = false;  // for a request whose head is there
};

// Since when nothing of a request, and of its answer, has moved: as it was found when somebody looked, so
// that it costs nothing before. A trickle is no movement: a share of what is held for it must be.
class Standstill {
 public:
  // moved: how much has, so far. began: the request has not stood still for longer than it is there.
  Duration lasts(uint64_t moved, size_t held, Monotonic began, Monotonic now) noexcept;

 private:
  uint64_t moved_ = 0;
  Monotonic since_ = Monotonic::max();
};

// Whether it is the client that a request has waited for, for so long that it may be ended for others.
template <class Request>
bool has_stalled(const Request& request, Duration still) noexcept {
  using http::Standing;
  return (request.waits_for_sender() && still >= Standing::slow_sender_after) ||
         (request.waits_for_reader() && still >= Standing::slow_reader_after);
}

class Relief final : private TurnEnd {
 public:
  Relief(List<Connection>& open, observe::Counter& gave_way) noexcept : open_(open), gave_way_(gave_way) {}
  // Memory is short, and somebody is refused for it, or soon will be: the connections are looked at when the
  // turn ends, four times a second at most.
  void ask(Loop& loop);
  // So many more places for connections are wanted; the same holds.
  void ask_for_places(Loop& loop, size_t places);

 private:
  void at_turn_end() override;
  void relieve_memory(Monotonic now);
  void make_places(size_t wanted, Monotonic now);

  List<Connection>& open_;
  observe::Counter& gave_way_;
  Loop* loop_ = nullptr;
  size_t places_ = 0;  // that are wanted when the turn ends
  Monotonic next_look_ = Monotonic::min();
};

}  // namespace sallyport::server
