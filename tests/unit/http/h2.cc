// The parts of HTTP/2 that stand alone: the guard, heads, and the edges of a WebSocket's frames. The session
// is in tests/conformance/http2/.
#include <doctest/doctest.h>

#include <string>

#include "gateway/http/h2_guard.h"
#include "gateway/http/h2_message.h"
#include "gateway/http/tunnel.h"

using namespace sallyport;
using namespace sallyport::http;
using namespace std::string_literals;

namespace {

constexpr Monotonic start{std::chrono::hours(1)};

std::string frame(uint8_t type, uint8_t flags, size_t payload = 0) {
  std::string out = {static_cast<char>(payload >> 16), static_cast<char>(payload >> 8),
                     static_cast<char>(payload), static_cast<char>(type), static_cast<char>(flags)};
  return out + "\0\0\0\1"s + std::string(payload, 'x');
}

h2::FrameGuard begun() {
  h2::FrameGuard guard(true, 64 * 1024, start);
  CHECK(guard.in_head());
  CHECK(guard.see("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", start).reason.empty());
  CHECK_FALSE(guard.in_head());
  return guard;
}

struct Head {
  BlockPool pool;
  Arena arena{pool};
  Request request;
  HeadLimits limits;
  h2::RequestHead head{limits};
  Head() { head.read_into(arena, request); }
  Head& with(std::initializer_list<std::pair<Slice, Slice>> fields) {
    for (const auto& [name, value] : fields) head.field(name, value);
    return *this;
  }
};

}  // namespace

TEST_CASE("the guard sees the same frames however the bytes are cut, and when a head has begun") {
  std::string bytes;
  for (int i = 0; i < 950; ++i) bytes += frame(3, 0, 4) + frame(0, 0, 100);
  for (size_t piece = 1; piece < 40; ++piece) {
    h2::FrameGuard guard = begun();
    size_t resets = 0;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      const h2::Offence offence = guard.see(Slice(bytes).substr(at, piece), start);
      if (!offence.reason.empty()) ++resets;
    }
    CHECK(resets == 0);
    std::string_view reason;
    for (int i = 0; i < 100 && reason.empty(); ++i) reason = guard.see(frame(3, 0, 4), start).reason;
    CHECK(reason == "reset_flood");
  }
  h2::FrameGuard guard = begun();
  CHECK(guard.see(frame(1, 0, 10), start + seconds(1)).reason.empty());
  CHECK(guard.in_head());
  CHECK(guard.see(frame(9, 0, 1).substr(0, 4), start + seconds(2)).reason.empty());
  CHECK(guard.head_began() == start + seconds(1));
  CHECK(guard.see(frame(9, 0, 1).substr(4), start + seconds(3)).reason.empty());
  CHECK(guard.see(frame(9, 4, 1), start + seconds(3)).reason.empty());
  CHECK_FALSE(guard.in_head());
}

TEST_CASE("a stream that was left out is not begun later; the last eight gaps are known") {
  h2::StreamIds ids;
  for (uint32_t id = 1; id <= 1 + 4 * 9; id += 4) CHECK(ids.may_have_headers(id));  // 3, 7, … 35 are left out
  CHECK(ids.may_have_headers(1));                                                   // as trailers
  CHECK(ids.may_have_headers(3));                                                   // forgotten
  for (uint32_t id = 7; id <= 35; id += 4) CHECK_FALSE(ids.may_have_headers(id));
  CHECK(ids.may_have_headers(0x7fff'ffff));
  CHECK_FALSE(ids.may_have_headers(0x7fff'fffd));
  CHECK_FALSE(ids.may_have_headers(39));
  CHECK(ids.may_have_headers(38));
}

TEST_CASE("what frames cost comes back with time, and with what the connection does") {
  h2::FrameGuard guard = begun();
  const auto pings = [&](Monotonic now) {
    int count = 0;
    while (guard.see(frame(6, 0), now).reason.empty()) ++count;
    return count;
  };
  CHECK(pings(start) == 1000);
  CHECK(pings(start) == 0);
  CHECK(pings(start + seconds(2)) == 200);
  for (int i = 0; i < 10; ++i) guard.data_sent(1);
  CHECK(pings(start + seconds(2)) == 30);
}

TEST_CASE("whoever takes content by 512 bytes may tell of each, twice, however much is on the way") {
  h2::FrameGuard guard = begun();
  const auto updates = [&](int count) {
    for (int i = 0; i < count; ++i) {
      if (!guard.see(frame(8, 0, 4), start).reason.empty()) return i;
    }
    return count;
  };
  CHECK(updates(1000) == 1000);
  CHECK(updates(1) == 0);
  for (int mebibytes = 0; mebibytes < 100; mebibytes += 8) {
    for (int i = 0; i < 512; ++i) guard.data_sent(16'384);
    CHECK(updates(64 * 512) == 64 * 512);
  }
  CHECK(updates(200'000) < 150'000);
}

TEST_CASE("a client's content that comes in crumbs and is not pulled is paid for") {
  h2::FrameGuard guard = begun();
  for (int i = 0; i < 10'000; ++i) CHECK(guard.see(frame(0, 0, 5), start).reason.empty());
  for (int i = 0; i < 4096; ++i) CHECK(guard.see(frame(0, 0, 1), start).reason.empty());
  guard.content_pulled(30);
  for (int i = 0; i < 30; ++i) CHECK(guard.see(frame(0, 0, 4), start).reason.empty());
  CHECK(guard.see(frame(0, 1, 1), start).reason.empty());  // the end of a request is none
  CHECK(guard.see(frame(0, 0, 1), start).reason == "tiny_data_flood");
}

TEST_CASE("a head of HTTP/2 is a request like any other, or refused") {
  Head good;
  good.with({{":method", "GET"},
             {":scheme", "https"},
             {":path", "/a%41?q"},
             {":authority", "API.test:443"},
             {"cookie", "a=1"},
             {"accept", "*/*"},
             {"cookie", "b=2"},
             {"x-own", "v"}});
  REQUIRE(good.head.finish(true));
  CHECK(good.request.path == "/aA");
  CHECK(good.request.query == "q");
  CHECK(good.request.host == "api.test");
  CHECK(good.request.headers.get(HeaderId::cookie) == "a=1; b=2");
  CHECK(good.request.headers.get(HeaderId::host) == "API.test:443");
  CHECK(good.request.headers.get("X-Own") == "v");
  CHECK(good.request.length.kind == BodyLength::Kind::none);

  const auto reason = [](std::initializer_list<std::pair<Slice, Slice>> fields) {
    Head head;
    const Result<void> done = head.with(fields).head.finish(true);
    return done ? std::string() : std::string(done.error().reason);
  };
  const std::pair<Slice, Slice> get{":method", "GET"}, https{":scheme", "https"}, path{":path", "/"};
  CHECK(reason({get, https, path}) == "bad_host");
  CHECK(reason({get, https, path, {":authority", "a"}, {"host", "b"}}) == "host_mismatch");
  CHECK(reason({get, https, path, {"host", "a"}, {"host", "a"}}) == "bad_host");
  CHECK(reason({get, {":scheme", "ftp"}, path, {":authority", "a"}}) == "bad_scheme");
  CHECK(reason({get, https, {":path", "https://a/"}, {":authority", "a"}}) != "");
  CHECK(reason({get, https, {":path", "*"}, {":authority", "a"}}) == "bad_target");
  CHECK(reason({{":method", "CONNECT"}, {":authority", "a"}}) == "connect");
  const std::string long_one(33, 'A');  // as over HTTP/1.1
  CHECK(reason({{":method", long_one}, https, path, {":authority", "a"}}) == "bad_method");
  CHECK(reason({{":method", Slice(long_one).substr(1)}, https, path, {":authority", "a"}}) == "");
  CHECK(reason({get, https, path, {":authority", "a"}, {"x", "a\nb"}}) == "control_character");
  CHECK(reason({get, https, path, {":authority", "a"}, {"content-length", "1"}}) == "bad_length");
}

TEST_CASE("a WebSocket's frames: between two of them, however they are cut") {
  const std::string frames = "\x81\x03"s + "abc" + "\x82\x7e\x01\x00"s + std::string(256, 'y') +
                             "\x82\x7f\0\0\0\0\0\1\0\0"s + std::string(65536, 'z') + "\x81\x81mask"s + "q" +
                             "\x88\x00"s;
  for (const size_t piece : {1, 2, 3, 7, 100, 4096, 100000}) {
    CAPTURE(piece);
    WebSocketFrames edges;
    for (size_t at = 0; at < frames.size(); at += piece) edges.see(Slice(frames).substr(at, piece));
    CHECK(edges.between());
    edges.see("\x81");
    CHECK_FALSE(edges.between());
    edges.see("\x01");
    CHECK_FALSE(edges.between());
    edges.see("x");
    CHECK(edges.between());
  }
}
