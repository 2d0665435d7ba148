#include "gateway/server/h2_connection.h"

#include <optional>
#include <utility>

#include "gateway/core/serve.h"
#include "gateway/http/linger.h"
#include "gateway/server/worker.h"

namespace sallyport::server {
namespace {

constexpr size_t spares_max = 32;  // of a busy connection; an idle one keeps one

}  // namespace

// Used again for the next request of the connection, for the memory that its exchange keeps.
struct Http2Connection::Call final : ListNode {
  Call(Http2Connection& c, int32_t id)
      : stream(std::in_place, c.session_, id, this), exchange(c.worker_.loop(), c.info_, *stream) {}
  void begin(Http2Connection& c) {
    stream->read_into(exchange.arena, exchange.request);
    exchange.begin(c.worker_.world());
  }
  void end() noexcept {
    task = Task<>::ready();
    exchange.clear();
    stream.reset();
  }

  std::optional<http::h2::ServerStream> stream;  // there while a request is: the exchange answers through it
  Exchange exchange;
  Task<> task = Task<>::ready();  // last: destroyed first
};

Http2Connection::Http2Connection(Worker& worker, const ConnectionInfo& info, net::Stream& stream)
    : worker_(worker), info_(info), stream_(stream), session_(stream, worker.server_limits(), *this) {}

Http2Connection::~Http2Connection() {
  end_all(calls_);
  end_all(done_);
  end_all(spare_);
}

void Http2Connection::end_all(List<Call>& calls) noexcept {
  while (Call* call = calls.pop_front()) delete call;
}

Task<> Http2Connection::run() {
  co_await session_.run();
  end_all(calls_);  // whoever still works for this client works for nobody
  co_await http::linger(stream_);
}

http::h2::ServerStream& Http2Connection::begin(int32_t id) {
  Call* call = spare_.pop_front();
  if (call != nullptr) {
    --spares_;
    call->stream.emplace(session_, id, call);
  } else {
    call = new Call(*this, id);
  }
  calls_.push_back(*call);
  call->begin(*this);
  return *call->stream;
}

void Http2Connection::serve(http::h2::ServerStream& stream, Result<void> head) {
  auto& call = *static_cast<Call*>(stream.owner());
  call.task = answer(call, std::move(head));
}

Task<> Http2Connection::answer(Call& call, Result<void> head) {
  Exchange& x = call.exchange;
  x.request.body = &*call.stream;
  if (!head) co_await x.fail(std::move(head.error()));
  co_await sallyport::serve(x);
  call.stream->finish();
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
  while (Call* call = done_.pop_front()) {
    call->end();
    spare_.push_back(*call);
    ++spares_;
  }
  const size_t kept = calls_.empty() ? 1 : spares_max;
  for (; spares_ > kept; --spares_) delete spare_.pop_front();
}

}  // namespace sallyport::server
