// Answers of backends, and what of them is put in the client's terms; frames of a WebSocket; and what the
// gateway itself writes of what strangers have sent.
#include <memory>
#include <vector>

#include "gateway/http/connection_options.h"
#include "gateway/http/grpc.h"
#include "gateway/http/h1_message.h"
#include "gateway/http/tunnel.h"
#include "gateway/json/write.h"
#include "gateway/observe/access_log.h"
#include "gateway/upstream/rewrite_back.h"
#include "tests/cost/input.h"

namespace sallyport::cost {
namespace {

// Work with memory as an exchange has it.
Input in_arena(std::string name, size_t size, std::function<std::string(size_t)> bytes,
               std::function<void(Slice, Arena&)> use) {
  return {std::move(name), size, [=](size_t n) -> Work {
            const auto pool = std::make_shared<BlockPool>();
            return [pool, use, text = bytes(n)] {
              Arena arena(*pool);
              use(text, arena);
            };
          }};
}

void read_and_pass_on(Slice head, Arena& arena) {
  http::Response response;
  const Slice kept = arena.copy(head);
  const auto read = http::h1::read_response_head(kept, http::Method::get, http::response_limits, response);
  expect(read.has_value(), read ? "" : read.error().detail);
  http::remove_hop_by_hop(response.headers);
  BlockPool pool;
  Buffer out(pool);
  http::h1::write_response_head(response, http::Method::get, http::Version::http11, true, out);
}

void add_response_heads(Inputs& inputs) {
  const auto head = [&](const char* name, size_t size, const std::string& piece,
                        const std::string& before = "", const std::string& behind = "") {
    inputs.push_back(in_arena(
        name, size,
        [=](size_t n) {
          return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + before + numbered(n, piece) + behind + "\r\n";
        },
        &read_and_pass_on));
  };
  head("answer: many fields", 95, "X-#: value\r\n");
  head("answer: many cookies", 95, "Set-Cookie: a#=b; Path=/; HttpOnly\r\n");
  head("answer: one long value", 30'000, "v", "A: ", "\r\n");
  head("answer: a Connection that names fields", 15, "X-#, ",
       "Connection: ", "\r\n" + numbered(150, "X-#: value\r\n"));
}

void add_rewritten(Inputs& inputs) {
  struct Route {
    upstream::Target backend = *upstream::parse_target("http://orders:9000");
    PathParams params;
    upstream::RewriteBack back{*config::PathPattern::parse("/orders/{rest...}"),
                               *config::PathPattern::parse("/v1/{rest...}")};
    upstream::RewriteBack::View view(Arena& arena) {
      return {backend, "https", "api.test", "api.test", params, arena};
    }
  };
  const auto route = std::make_shared<Route>();
  const auto cookie = [&](const char* name, size_t size, const std::string& piece) {
    inputs.push_back(in_arena(
        name, size, [piece](size_t n) { return "a=b" + times(n, piece); },
        [route](Slice value, Arena& arena) { route->back.set_cookie(value, route->view(arena)); }));
  };
  cookie("cookie of a backend: paths", 3'000, "; Path=/v1/x");
  cookie("cookie of a backend: its own domain", 3'000, "; Domain=orders");
  cookie("cookie of a backend: attributes", 10'000, ";a=");
  cookie("cookie of a backend: semicolons", 30'000, ";");
  inputs.push_back(in_arena(
      "Location of a backend: segments", 10'000, [](size_t n) { return "/v1" + times(n, "/%61"); },
      [route](Slice value, Arena& arena) { route->back.location(value, route->view(arena)); }));
}

void add_frames(Inputs& inputs) {
  const auto frames = [&](const char* name, const std::string& frame) {
    inputs.push_back({name, 10'000, [frame](size_t n) -> Work {
                        return [bytes = times(n, frame)] {
                          http::WebSocketFrames seen;
                          for (size_t at = 0; at < bytes.size(); at += 4096)
                            seen.see(Slice(bytes).substr(at, 4096));
                          expect(seen.between(), "it does not end between two frames");
                        };
                      }});
  };
  frames("WebSocket: empty frames", std::string("\x81\0", 2));
  frames("WebSocket: frames of one byte, masked", std::string("\x81\x81\1\2\3\4x", 7));
}

void add_written(Inputs& inputs) {
  const auto line = [&](const char* name, const std::string& piece, size_t size) {
    inputs.push_back({name, size, [piece](size_t n) -> Work {
                        return [text = times(n, piece)] {
                          observe::AccessRecord record;
                          record.path = record.host = record.user_agent = record.client = text;
                          std::vector<char> room(64 * 1024);
                          expect(observe::format_access_line(record, room.data(), room.size()) > 0,
                                 "no room");
                        };
                      }});
  };
  line("access log: controls", "\x01", 1000);
  line("access log: what is not UTF-8", "\xe2\x82", 500);
  line("access log: quotes", "\"", 1000);
  line("access log: what is cut off", "\x01", 10'000);
  line("access log: keys", "sp_AbCdEfGhIjKl_x/", 10'000);
  line("access log: beginnings of keys", "sp_", 10'000);
  line("access log: beginnings of tokens", "eyJ", 10'000);
  line("access log: percent signs encoded again and again", "25%25", 10'000);
  const auto text = [&](const char* name, const std::string& piece) {
    inputs.push_back({name, 20'000, [piece](size_t n) -> Work {
                        return [bytes = times(n, piece)] {
                          std::string out;
                          json::append_string(out, bytes);
                        };
                      }});
  };
  text("JSON text: controls", "\x01");
  text("JSON text: what is not UTF-8", "\xe2\x82");
  inputs.push_back({"gRPC message: percent-encoded", 20'000, [](size_t n) -> Work {
                      return [bytes = times(n, "\xc3\xa9")] { http::grpc::message(bytes); };
                    }});
}

}  // namespace

void add_answers(Inputs& inputs) {
  add_response_heads(inputs);
  add_rewritten(inputs);
  add_frames(inputs);
  add_written(inputs);
}

}  // namespace sallyport::cost
