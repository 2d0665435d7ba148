// Any frames from an HTTP/2 client: never a crash, and what we answer is whole frames of at most the size
// that the client allows. The first byte says how the bytes are cut, and how slowly the client reads.
#include <cstdlib>
#include <memory>
#include <string>

#include "gateway/async/loop.h"
#include "gateway/base/list.h"
#include "gateway/http/h2_server.h"
#include "tests/unit/http/memory_stream.h"

using namespace sallyport;
using sallyport::test::MemoryStream;

namespace {

// Answers each request with its own content, or with so much that the windows close.
class Echo final : public http::h2::ServerSession::Owner {
 public:
  Echo(Loop& loop, MemoryStream& stream, const http::ServerLimits& limits)
      : loop_(loop), session_(stream, limits, *this) {}
  ~Echo() {
    while (Call* call = calls_.pop_front()) delete call;
  }
  http::h2::ServerSession& session() { return session_; }
  // What is done with ends between two turns.
  void sweep() {
    for (Call* call = calls_.front(); call != nullptr;) {
      Call* next = calls_.after(*call);
      if (call->over) delete call;
      call = next;
    }
  }

 private:
  struct Call : ListNode {
    Call(Echo& owner, int32_t id)
        : arena(owner.loop_.blocks()), stream(owner.session_, id, this), much(200'000, 'x') {
      stream.read_into(arena, request);
    }
    Arena arena;
    http::Request request;
    http::Response response;
    http::h2::ServerStream stream;
    http::MemoryBody content;
    std::string much;
    bool over = false;
    Task<> task = Task<>::ready();
  };

  http::h2::ServerStream* begin(int32_t id, size_t) override {
    auto* call = new Call(*this, id);
    calls_.push_back(*call);
    return &call->stream;
  }
  void serve(http::h2::ServerStream& stream, Result<void> head) override {
    Call& call = *static_cast<Call*>(stream.owner());
    call.task = answer(call, std::move(head));
  }
  void closed(http::h2::ServerStream& stream) override {
    Call& call = *static_cast<Call*>(stream.owner());
    call.task = Task<>::ready();
    call.over = true;
  }

  static Task<> answer(Call& call, Result<void> head) {
    call.response.status = head ? 200 : 400;
    if (head) {
      if (!call.request.path.starts_with('/') && call.request.path != "*") std::abort();
      call.response.body = &call.stream;
      call.response.length = {http::BodyLength::Kind::chunked, 0};
      if (call.request.method == http::Method::get) {
        call.content.reset(call.much);
        call.response.body = &call.content;
        call.response.length = {http::BodyLength::Kind::counted, call.much.size()};
      }
    }
    Result<void> sent = co_await call.stream.respond(call.request, call.response);
    static_cast<void>(sent);
    co_await call.stream.finish();
    call.over = true;
  }

  Loop& loop_;
  http::h2::ServerSession session_;
  List<Call> calls_;
};

void turn(Loop& loop) {
  loop.post([&loop] { loop.stop(); });
  loop.run();
}

// Whole frames, one behind the other.
void check_frames(Slice bytes) {
  while (!bytes.empty()) {
    if (bytes.size() < 9) std::abort();
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(bytes[i])); };
    const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (length > (1U << 24) - 1 || bytes.size() < 9 + length) std::abort();
    bytes.remove_prefix(9 + length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Loop loop;
  const http::ServerLimits limits;
  std::string bytes = (data[0] & 1) != 0 ? "" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = (data[0] >> 2) == 0 ? bytes.size() : data[0] >> 2;
  MemoryStream stream(loop);
  Echo echo(loop, stream, limits);
  const Task<> task = echo.session().run();
  turn(loop);
  std::string written;
  for (size_t at = 0; at < bytes.size() && !task.done(); at += piece) {
    if ((data[0] & 2) != 0) stream.hold_output(at / piece % 2 == 0);
    stream.feed(Slice(bytes).substr(at, piece));
    turn(loop);
    echo.sweep();
    written += stream.take_written();
  }
  stream.hold_output(false);
  if (!task.done()) stream.end();
  turn(loop);
  check_frames(written + stream.take_written());
  return 0;
}
