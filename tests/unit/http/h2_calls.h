// H2Calls: the owner of an HTTP/2 session over a MemoryStream: a call a stream, answered as a test says.
#pragma once

#include <utility>

#include "gateway/base/list.h"
#include "gateway/http/h2_server.h"
#include "tests/unit/async/support.h"
#include "tests/unit/http/memory_stream.h"

namespace sallyport::test {

class H2Calls : public http::h2::ServerSession::Owner {
 public:
  struct Call : ListNode {
    Call(H2Calls& owner, int32_t id) : arena(owner.loop_.blocks()), stream(owner.session_, id, this) {
      stream.read_into(arena, request);
    }
    Arena arena;
    http::Request request;
    http::Response response;
    http::h2::ServerStream stream;
    http::MemoryBody content;
    bool over = false;
    Task<> task = Task<>::ready();
  };

  H2Calls(Loop& loop, MemoryStream& stream, const http::ServerLimits& limits)
      : loop_(loop), session_(stream, limits, *this) {}
  ~H2Calls() {
    while (Call* call = calls_.pop_front()) delete call;
  }
  http::h2::ServerSession& session() { return session_; }
  size_t begun() const { return begun_; }
  // One turn of the loop; then what is over is destroyed.
  void turn() {
    test::turn(loop_);
    for (Call* call = calls_.front(); call != nullptr;) {
      Call* next = calls_.after(*call);
      if (call->over) delete call;
      call = next;
    }
  }

 protected:
  // Makes the call's response, once its head is there; what it does not read is left.
  virtual Task<> answer(Call& call, bool good) = 0;

 private:
  http::h2::ServerStream* begin(int32_t id, size_t) override {
    ++begun_;
    auto* call = new Call(*this, id);
    calls_.push_back(*call);
    return &call->stream;
  }
  void serve(http::h2::ServerStream& stream, Result<void> head) override {
    Call& call = *static_cast<Call*>(stream.owner());
    call.task = run(call, head.has_value());
  }
  void closed(http::h2::ServerStream& stream) override {
    Call& call = *static_cast<Call*>(stream.owner());
    call.task = Task<>::ready();
    call.over = true;
  }
  Task<> run(Call& call, bool good) {
    co_await answer(call, good);
    Result<void> sent = co_await call.stream.respond(call.request, call.response);
    static_cast<void>(sent);
    co_await call.stream.finish();
    call.over = true;
  }

  Loop& loop_;
  http::h2::ServerSession session_;
  List<Call> calls_;
  size_t begun_ = 0;
};

}  // namespace sallyport::test
