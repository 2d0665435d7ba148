#include "gateway/server/h2_connection.h"

#include <utility>

#include "gateway/base/small_pool.h"
#include "gateway/core/serve.h"
#include "gateway/http/linger.h"
#include "gateway/server/worker.h"

namespace sallyport::server {

struct Http2Connection::Call final : ListNode {
  Call(Http2Connection& c, int32_t id)
      : stream(c.session_, id, this), exchange(c.worker_.loop(), c.info_, stream) {
    stream.read_into(exchange.arena, exchange.request);
    exchange.begin(c.worker_.world());
  }
  static void* operator new(size_t bytes) { return small_pool::allocate(bytes); }
  static void operator delete(void* call, size_t bytes) noexcept { small_pool::release(call, bytes); }

  http::h2::ServerStream stream;
  Exchange exchange;
  Task<> task = Task<>::ready();  // last: destroyed first
};

Http2Connection::Http2Connection(Worker& worker, const ConnectionInfo& info, net::Stream& stream)
    : worker_(worker), info_(info), stream_(stream), session_(stream, worker.server_limits(), *this) {}

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
  co_await http::linger(stream_);
}

http::h2::ServerStream* Http2Connection::begin(int32_t id, size_t others) {
  if (!worker_.has_room_beside(others)) return nullptr;
  auto* call = new Call(*this, id);
  calls_.push_back(*call);
  return &call->stream;
}

void Http2Connection::serve(http::h2::ServerStream& stream, Result<void> head) {
  auto& call = *static_cast<Call*>(stream.owner());
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
  end_all(done_);
  worker_.look_at_memory();
}

}  // namespace sallyport::server
