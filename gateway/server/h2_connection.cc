#include "gateway/server/h2_connection.h"

#include <algorithm>
#include <utility>

#include "gateway/base/small_pool.h"
#include "gateway/core/serve.h"
#include "gateway/http/linger.h"
#include "gateway/server/worker.h"

namespace sallyport::server {
namespace {

constexpr size_t frames_bytes = 3 * 1024;  // of a request's coroutines, and nghttp2's part of it; about

}  // namespace

struct Http2Connection::Call final : ListNode {
  Call(Http2Connection& c, int32_t id)
      : stream(c.session_, id, this), exchange(c.worker_.loop(), c.info_, stream) {
    stream.read_into(exchange.arena, exchange.request);
    exchange.begin(c.worker_.world());
  }
  static void* operator new(size_t bytes) { return small_pool::allocate(bytes); }
  static void operator delete(void* call, size_t bytes) noexcept { small_pool::release(call, bytes); }

  Stalled stalled(Monotonic now) noexcept {
    const size_t bytes = sizeof(Call) + frames_bytes + stream.bytes_held() + exchange.bytes_held();
    const uint64_t moved = stream.content_received() + stream.content_sent();
    const Duration still = standstill.lasts(moved, bytes, exchange.began, now);
    return has_stalled(stream, still) ? Stalled{bytes, still, true} : Stalled{};
  }

  http::h2::ServerStream stream;
  Exchange exchange;
  Standstill standstill;
  bool has_head = false;
  Task<> task = Task<>::ready();  // last: destroyed first
};

Http2Connection::Http2Connection(Worker& worker, const ConnectionInfo& info, net::Stream& stream)
    : worker_(worker),
      info_(info),
      stream_(stream),
      session_(stream, worker.server_limits(), *this),
      last_ended_(worker.loop().now()) {}

Http2Connection::~Http2Connection() {
  end_all(calls_);
  end_all(done_);
}

void Http2Connection::end_all(List<Call>& calls) noexcept {
  while (Call* call = calls.pop_front()) delete call;
}

Task<> Http2Connection::run() {
  co_await session_.run();
  end_all(calls_);  // whoever still works for this client works for nobody
  co_await http::linger(stream_, http::at_the_end);
}

http::h2::ServerStream* Http2Connection::begin(int32_t id, size_t others) {
  if (!worker_.has_room_beside(others)) return nullptr;
  auto* call = new Call(*this, id);
  calls_.push_back(*call);
  return &call->stream;
}

bool Http2Connection::is_idle() noexcept {
  for (Call* call = calls_.front(); call != nullptr; call = calls_.after(*call)) {
    if (call->has_head) return false;
  }
  return true;
}

Monotonic Http2Connection::idle_since() noexcept {
  Call* begun = calls_.back();
  return begun == nullptr ? last_ended_ : std::max(last_ended_, begun->exchange.began);
}

Stalled Http2Connection::stalled(Monotonic now) noexcept {
  Stalled all;
  for (Call* call = calls_.front(); call != nullptr; call = calls_.after(*call)) {
    const Stalled one = call->stalled(now);
    all = {all.bytes + one.bytes, std::max(all.still, one.still), true};
  }
  return all;
}

// Their memory goes at once, whether the client takes the resets or not.
void Http2Connection::give_way(Monotonic now) {
  for (Call *call = calls_.front(), *next = nullptr; call != nullptr; call = next) {
    next = calls_.after(*call);
    if (call->stalled(now).bytes == 0) continue;
    call->exchange.notes.reason = memory_full().error().reason;
    call->stream.give_way();
    closed(call->stream);
  }
}

void Http2Connection::about_to_cut(std::string_view why) {
  for (Call* call = calls_.front(); call != nullptr; call = calls_.after(*call)) {
    call->exchange.notes.reason = why;
    call->stream.say_last_words(call->exchange.response);
  }
  session_.send_now();
}

void Http2Connection::serve(http::h2::ServerStream& stream, Result<void> head) {
  auto& call = *static_cast<Call*>(stream.owner());
  call.has_head = true;
  call.task = answer(call, std::move(head));
}

Task<> Http2Connection::answer(Call& call, Result<void> head) {
  Exchange& x = call.exchange;
  if (x.request.upgrade.empty()) x.request.body = &call.stream;
  if (!head) co_await x.fail(std::move(head.error()));
  co_await sallyport::serve(x);
  co_await call.stream.finish();
  done_.push_back(call);
  worker_.loop().before_wait(*this);
}

void Http2Connection::closed(http::h2::ServerStream& stream) {
  auto& call = *static_cast<Call*>(stream.owner());
  done_.push_back(call);
  call.task = Task<>::ready();
  worker_.loop().before_wait(*this);
}

void Http2Connection::at_turn_end() {
  last_ended_ = worker_.loop().now();
  end_all(done_);
  worker_.look_at_memory();
}

}  // namespace sallyport::server
