// HTTP/2: header blocks and frames of a client.
#include <coroutine>

#include "tests/cost/input.h"
#include "tests/unit/http/h2_calls.h"

namespace sallyport::cost {
namespace {

// Answers each request with 204: once it has read the content, or never.
class Server final : public test::H2Calls {
 public:
  Server(Loop& loop, test::MemoryStream& stream, const http::ServerLimits& limits, bool pulls)
      : H2Calls(loop, stream, limits), pulls_(pulls) {}

 private:
  Task<> answer(Call& call, bool good) override {
    if (!pulls_) co_await std::suspend_always{};
    while (good) {
      Result<Slice> piece = co_await call.stream.pull();
      if (!piece || piece->empty()) break;
    }
    call.response.status = good ? 204 : 400;
  }
  bool pulls_;
};

std::string frame(int type, int flags, uint32_t stream, const std::string& payload) {
  const auto byte = [](size_t value, int shift) { return static_cast<char>(value >> shift & 0xff); };
  std::string out = {byte(payload.size(), 16), byte(payload.size(), 8), byte(payload.size(), 0),
                     static_cast<char>(type), static_cast<char>(flags)};
  for (const int shift : {24, 16, 8, 0}) out += byte(stream, shift);
  return out + payload;
}
constexpr int data = 0, headers = 1, priority = 2, reset = 3, settings = 4, ping = 6, window_update = 8,
              continuation = 9;

// A string of RFC 7541 section 5.2, not encoded, shorter than 16,000 bytes.
std::string hpack_text(const std::string& text) {
  if (text.size() < 127) return static_cast<char>(text.size()) + text;
  const size_t more = text.size() - 127;
  return std::string{0x7f, static_cast<char>(more % 128 | 0x80), static_cast<char>(more / 128)} + text;
}
std::string field(const std::string& name, const std::string& value, bool kept = false) {
  return (kept ? '\x40' : '\0') + hpack_text(name) + hpack_text(value);
}
const std::string get_head = "\x82\x84\x87" + ("\x41" + hpack_text("api.test"));   // GET / https
const std::string post_head = "\x83\x84\x87" + ("\x41" + hpack_text("api.test"));  // POST / https
std::string request(uint32_t number, const std::string& more = "") {
  return frame(headers, 5, 2 * number + 1, get_head + more);
}
std::string requests(size_t count, const std::string& more) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += request(static_cast<uint32_t>(i), more);
  return out;
}

// The preface, our settings, and that we have seen theirs: their windows hold from there on.
const std::string opening =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0, "") + frame(settings, 1, 0, "");

struct Talk {
  std::string name;
  size_t size;
  std::function<std::string(size_t)> frames;
  bool pulls = true;
  size_t piece = 1024;
  std::string_view ends = {};  // why the connection is ended
};

Input talked(Talk talk) {
  return {talk.name, talk.size, [talk](size_t n) -> Work {
            return [talk, bytes = opening + talk.frames(n)] {
              Loop loop;
              const http::ServerLimits limits;
              test::MemoryStream stream(loop);
              Server server(loop, stream, limits, talk.pulls);
              const Task<> task = server.session().run();
              for (size_t at = 0; at < bytes.size() && !task.done(); at += talk.piece) {
                stream.feed(Slice(bytes).substr(at, talk.piece));
                server.turn();
              }
              const auto why = server.session().ended_by();
              expect(why == talk.ends, "ended by " + std::string(why));
              expect(server.begun() > 0 || !talk.ends.empty(), "no request has come through");
              if (!task.done()) stream.end();
              server.turn();
            };
          }};
}

void add_header_blocks(Inputs& inputs) {
  const auto one = [&](const char* name, size_t size, std::function<std::string(size_t)> more,
                       std::string_view ends = {}) {
    inputs.push_back(
        talked({name, size, [more](size_t n) { return request(0, more(n)); }, true, 1024, ends}));
  };
  one("HTTP/2: many fields", 45, [](size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += field("x-" + std::to_string(i), "value");
    return out;
  });
  one("HTTP/2: a long value", 7'000, [](size_t n) { return field("x", std::string(n, 'v')); });
  one("HTTP/2: many cookies", 45, [](size_t n) { return times(n, field("cookie", "a=b")); });
  one(
      "HTTP/2: a field of one byte, from the static table", 7'000, [](size_t n) { return times(n, "\x90"); },
      "header_bomb");
  inputs.push_back(talked({"HTTP/2: requests", 300, [](size_t n) { return requests(n, ""); }}));
  inputs.push_back(talked({"HTTP/2: fields that push each other out of the table", 100, [](size_t n) {
                             std::string out;
                             for (uint32_t i = 0; i < n; ++i) {
                               std::string fields;
                               for (size_t k = 0; k < 20; ++k)
                                 fields +=
                                     field("x-" + std::to_string(i * 20 + k), std::string(60, 'v'), true);
                               out += request(i, fields);
                             }
                             return out;
                           }}));
  inputs.push_back(talked({"HTTP/2: a long field, by its number", 4, [](size_t n) {
                             return request(0, field("x", std::string(3'000, 'v'), true) + times(n, "\xbe"));
                           }}));
  inputs.push_back(talked(
      {"HTTP/2: requests that come byte by byte", 50, [](size_t n) { return requests(n, ""); }, true, 1}));
  inputs.push_back(talked({"HTTP/2: a head in CONTINUATION frames", 4, [](size_t n) {
                             std::string out = frame(headers, 1, 1, get_head);
                             for (size_t i = 1; i <= n; ++i)
                               out += frame(continuation, i == n ? 4 : 0, 1,
                                            times(5, field("x-" + std::to_string(i), "v")));
                             return out;
                           }}));
}

void add_frames(Inputs& inputs) {
  const auto behind = [&](const char* name, size_t size, const std::string& each, bool pulls = true,
                          std::string_view ends = {}) {
    inputs.push_back(
        talked({name, size, [each](size_t n) { return frame(headers, 4, 1, post_head) + times(n, each); },
                pulls, 1024, ends}));
  };
  behind("HTTP/2: content in frames of one byte", 10'000, frame(data, 0, 1, "x"));
  behind("HTTP/2: the same, which nobody pulls", 2'000, frame(data, 0, 1, "x"), false);
  behind("HTTP/2: more of it than there may be", 8'000, frame(data, 0, 1, "x"), false, "tiny_data_flood");
  behind("HTTP/2: content that nobody pulls, in frames of five bytes", 6'000, frame(data, 0, 1, "12345"),
         false);
  behind("HTTP/2: padding", 2'000, frame(data, 8, 1, "\x20x" + std::string(32, '\0')));
  behind("HTTP/2: empty content", 450, frame(data, 0, 1, ""));
  behind("HTTP/2: settings", 450, frame(settings, 0, 0, ""));
  behind("HTTP/2: pings", 450, frame(ping, 0, 0, "12345678"));
  behind("HTTP/2: window updates", 450, frame(window_update, 0, 0, std::string("\0\0\0\1", 4)));
  behind("HTTP/2: priorities", 450, frame(priority, 0, 3, std::string("\0\0\0\0\x10", 5)));
  behind("HTTP/2: frames of a kind that nobody knows", 450, frame(0xbb, 0, 0, "x"));
  behind("HTTP/2: more pings than there may be", 2'000, frame(ping, 0, 0, "12345678"), true, "control_flood");
  inputs.push_back(talked({"HTTP/2: requests that are reset", 90, [](size_t n) {
                             std::string out;
                             for (uint32_t i = 0; i < n; ++i)
                               out += frame(headers, 4, 2 * i + 1, post_head) +
                                      frame(reset, 0, 2 * i + 1, std::string("\0\0\0\x8", 4));
                             return out;
                           }}));
}

}  // namespace

void add_http2(Inputs& inputs) {
  add_header_blocks(inputs);
  add_frames(inputs);
}

}  // namespace sallyport::cost
