// Any frames from an HTTP/2 backend: never a crash; what a client would be told is well-formed and as long as
// its head says; no room for requests is lost; and when the backend has left, nobody waits any more. The
// first byte says how slowly the backend reads; the rest is steps (see Play), so that heads and content get
// past the framing often enough.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "gateway/async/loop.h"
#include "gateway/async/signal.h"
#include "gateway/base/list.h"
#include "gateway/http/h2_client.h"
#include "tests/unit/async/support.h"
#include "tests/unit/http/memory_stream.h"

using namespace sallyport;
using sallyport::test::MemoryStream;
using sallyport::test::turn;

namespace {

constexpr size_t calls_max = 12;

void require(bool good) {
  if (!good) std::abort();
}

// The input, read from its front; zeros behind its end.
class Input {
 public:
  explicit Input(Slice bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  uint8_t byte() {
    const Slice one = bytes(1);
    return one.empty() ? uint8_t{0} : static_cast<uint8_t>(one.front());
  }
  Slice bytes(size_t most) {
    const Slice taken = left_.substr(0, most);
    left_.remove_prefix(taken.size());
    return taken;
  }

 private:
  Slice left_;
};

// Content in pieces, some of which come later, with or without trailers.
class Content final : public http::Body {
 public:
  Content(Event& more, size_t pieces, bool with_trailers) : more_(more), left_(pieces) {
    if (with_trailers) trailers_.add("x-sum", "1");
  }
  Task<Result<Slice>> pull() override {
    if (left_ % 2 == 1 && !more_.is_set()) co_await more_.wait();
    if (left_ == 0) co_return Slice{};
    --left_;
    co_return Slice(piece_);
  }
  std::optional<uint64_t> remaining() const noexcept override { return left_ * piece_.size(); }
  const http::Headers* trailers() const noexcept override { return &trailers_; }

 private:
  Event& more_;
  size_t left_;
  std::string piece_ = std::string(10'000, 'x');
  http::Headers trailers_;
};

void check_fields(const http::Headers& headers) {
  for (const http::Header& h : headers) require(http::is_token(h.name) && http::is_field_value(h.value));
}

// One request to the backend.
struct Call : ListNode {
  Call(Loop& loop, http::h2::ClientSession& session, Event& more, uint8_t kind)
      : arena(loop.blocks()), content(more, kind >> 3 & 15, (kind & 4) != 0), stream(session, "https") {
    using Kind = http::BodyLength::Kind;
    constexpr std::array<http::Method, 4> methods = {http::Method::get, http::Method::head,
                                                     http::Method::post, http::Method::put};
    request.method = methods[kind & 3];
    request.method_text = http::to_string(request.method);
    request.path = "/";
    request.headers.add("x-kept", " kept ");
    request.takes_trailers = true;
    request.body = &content;
    if ((kind & 3) == 2) request.length = {Kind::chunked, 0};
    if ((kind & 3) == 3) request.length = {Kind::counted, *content.remaining()};
    if ((kind & 0x80) == 0) task = ask(*this);  // else it is given up before it is sent
  }

  static Task<> ask(Call& call) {
    const http::Requester::Timeouts timeouts{seconds(15), seconds(30)};
    Result<void> done = co_await call.stream.send(call.request, "backend.test", timeouts, call.arena);
    for (int interim = 0; done && call.response.status < 200; ++interim) {
      require(interim <= 32);
      done = co_await call.stream.read_response(call.request, call.arena, call.response);
      if (!done) break;
      require(call.response.status >= 100 && call.response.status <= 599 && call.response.status != 101);
      check_fields(call.response.headers);
    }
    if (done) co_await read(call);
    call.stream.over();
  }
  static Task<> read(Call& call) {
    const http::BodyLength length = call.response.length;
    uint64_t came = 0;
    for (;;) {
      Result<Slice> piece = co_await call.response.body->pull();
      if (!piece) co_return;
      came += piece->size();
      if (length.kind == http::BodyLength::Kind::counted) require(came <= length.bytes);
      if (piece->empty()) break;
      if (call.slow) co_await call.go_on.wait();
    }
    if (length.kind == http::BodyLength::Kind::counted) require(came == length.bytes);
    if (const http::Headers* trailers = call.response.body->trailers()) check_fields(*trailers);
  }

  Arena arena;
  http::Request request;
  http::Response response;
  Content content;
  bool slow = false;
  Event go_on;
  http::h2::ClientStream stream;
  Task<> task = Task<>::ready();
};

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, Slice payload) {
  std::string out;
  for (const size_t shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
  out += {static_cast<char>(type), static_cast<char>(flags)};
  for (const size_t shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  return out.append(payload);
}

// A header block: a status, or none as trailers have it, and fields.
std::string block(Input& in) {
  constexpr std::array<Slice, 8> statuses = {"\x88", "\x89",
                                             "\x8b", "\x08\x03\x31\x30\x33",
                                             "",     "\x08\x03\x31\x30\x30",
                                             "\x8e", "\x08\x03\x31\x30\x31"};
  const uint8_t how = in.byte();
  std::string out(statuses[how & 7]);
  const auto text = [&](Slice value) { out.append(1, static_cast<char>(value.size())).append(value); };
  for (int fields = how >> 3 & 3; fields > 0; --fields) {
    const uint8_t size = in.byte();
    if ((size & 0x40) != 0) {
      out += "\x0f\x0d";  // content-length
    } else {
      out += '\0';
      text((size & 0x80) != 0 ? "grpc-status" : in.bytes(size & 7));
    }
    text(in.bytes(size >> 3 & 7));
  }
  return out;
}

// The backend, step by step.
class Play final : private http::h2::ClientSession::Owner {
 public:
  Play(Loop& loop, uint8_t how)
      : loop_(loop), stream_(loop), session_(stream_, seconds(30), *this), how_(how), run_(session_.run()) {
    if ((how_ & 1) == 0) stream_.feed(frame(4, 0, 0, ""));
  }
  ~Play() {
    while (Call* call = calls_.pop_front()) delete call;
  }

  void step(Input& in) {
    const uint8_t op = in.byte();
    const uint32_t id = 2 * (op >> 4) + 1;
    switch (op & 7) {
      case 0:
        return feed(std::string(in.bytes(in.byte())));
      case 1:
        return begin(in.byte());
      case 2:
      case 3: {
        const uint8_t end = (op & 8) != 0 ? 1 : 0;
        if ((op & 7) == 2) return feed(frame(1, 4 | end, id, block(in)));
        return feed(frame(0, end, id, in.bytes(in.byte())));
      }
      case 4: {
        const uint8_t type = in.byte(), flags = in.byte();
        return feed(frame(type, flags, (op & 8) != 0 ? 0 : id, in.bytes(in.byte() & 63)));
      }
      case 5:
        return touch(op >> 4, (op & 8) != 0);
      case 6:
        return feed(frame(0, (op & 8) != 0 ? 1 : 0, id, std::string(16'384, 'y')));
      default:
        if ((how_ & 2) != 0) stream_.hold_output((op & 8) != 0);
        if ((how_ & 4) != 0) more_.wake();
        turn_once();
    }
  }

  // The backend leaves: nobody may wait for it any more.
  void leave() {
    stream_.hold_output(false);
    turn_once();
    turn_once();
    if ((how_ & 8) != 0) {  // its clients leave first
      while (Call* call = calls_.pop_front()) delete call;
      turn_once();
      if (session_.has_room()) require(session_.room() == session_.streams_max());
    }
    if (!run_.done()) stream_.end();
    turn_once();
    require(run_.done() && session_.over());
    for (Call* call = calls_.front(); call != nullptr; call = calls_.after(*call)) {
      call->slow = false;
      call->go_on.set();
    }
    turn_once();
    require(calls_.empty());
  }

 private:
  void session_changed() override {}

  void feed(Slice bytes) {
    if (!run_.done()) stream_.feed(bytes);
  }
  void begin(uint8_t kind) {
    if (!session_.has_room() || count_ == calls_max) return;
    ++count_;
    calls_.push_back(*new Call(loop_, session_, more_, kind));
  }
  // Its client leaves, or does not read for a while.
  void touch(size_t number, bool leaves) {
    Call* call = calls_.front();
    while (call != nullptr && number-- > 0) call = calls_.after(*call);
    if (call == nullptr) return;
    if (leaves) {
      delete call;
      --count_;
    } else {
      call->slow = !call->slow;
      if (!call->slow) call->go_on.wake();
    }
  }
  void turn_once() {
    turn(loop_);
    for (Call* call = calls_.front(); call != nullptr;) {
      Call* next = calls_.after(*call);
      if (call->task.done()) {
        delete call;
        --count_;
      }
      call = next;
    }
    check_frames(stream_.take_written());
  }
  // Whole frames, one behind the other, of the size that the backend allows at least.
  void check_frames(Slice bytes) {
    constexpr Slice preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (!std::exchange(greeted_, greeted_ || !bytes.empty()) && !bytes.empty()) {
      require(bytes.starts_with(preface));
      bytes.remove_prefix(preface.size());
    }
    while (!bytes.empty()) {
      require(bytes.size() >= 9);
      const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(bytes[i])); };
      const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
      require(bytes.size() >= 9 + length);
      bytes.remove_prefix(9 + length);
    }
  }

  Loop& loop_;
  MemoryStream stream_;
  http::h2::ClientSession session_;
  const uint8_t how_;
  Event more_;  // content of requests
  List<Call> calls_;
  size_t count_ = 0;
  bool greeted_ = false;
  Task<> run_;  // last: destroyed first
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Loop loop;
  Input in({reinterpret_cast<const char*>(data) + 1, size - 1});
  Play play(loop, data[0]);
  turn(loop);
  while (!in.empty()) play.step(in);
  play.leave();
  return 0;
}
