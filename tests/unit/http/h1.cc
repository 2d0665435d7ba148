// HTTP/1.1 on both sides over a stream in memory: what is understood never depends on how the bytes were cut.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/http/h1_client.h"
#include "gateway/http/h1_server.h"
#include "tests/unit/http/memory_stream.h"

using namespace sallyport;
using namespace sallyport::http;
using sallyport::test::MemoryStream;

namespace {

// Reads requests and answers each with what it read, until the connection is over.
Task<> echo(MemoryStream& stream, const ServerLimits& limits, std::vector<std::string>& seen) {
  h1::ServerConnection connection(stream, limits);
  BlockPool pool;
  bool go_on = true;
  while (go_on) {
    go_on = co_await connection.wait_for_request();
    if (!go_on) break;
    Arena arena(pool);
    Request request;
    Result<void> read = co_await connection.read_request(arena, request);
    if (!read) {
      seen.emplace_back("!" + std::string(read.error().reason));
      break;
    }
    std::string content;
    for (;;) {
      Result<Slice> piece = co_await request.body->pull();
      if (!piece) {
        seen.emplace_back("!!" + std::string(piece.error().reason));
        co_return;
      }
      if (piece->empty()) break;
      content += *piece;
    }
    seen.push_back(std::string(request.method_text) + " " + std::string(request.path) + " " + content);
    MemoryBody body(content);
    Response response;
    response.status = 200;
    response.length = {BodyLength::Kind::counted, content.size()};
    response.body = &body;
    Result<void> sent = co_await connection.respond(request, response);
    if (!sent) break;
    go_on = co_await connection.finish();
  }
  stream.close_output();
}

std::vector<std::string> served(const std::string& bytes, size_t piece, std::string* answers = nullptr,
                                int* acknowledged = nullptr) {
  Loop loop;
  MemoryStream stream(loop);
  const ServerLimits limits;
  std::vector<std::string> seen;
  const Task<> task = echo(stream, limits, seen);
  for (size_t at = 0; at < bytes.size(); at += piece) stream.feed(Slice(bytes).substr(at, piece));
  stream.end();
  CHECK(task.done());
  if (answers != nullptr) *answers = stream.take_written();
  if (acknowledged != nullptr) *acknowledged = stream.acknowledged();
  return seen;
}

struct Answered {
  std::string sent;  // to the backend
  std::string status, content, error;
  bool reusable = false;
  int acknowledged = 0;
};

Task<> ask(h1::ClientConnection& connection, Method method, Slice content, BodyLength length, Answered& out) {
  BlockPool pool;
  Arena arena(pool);
  Request request;
  request.method = method;
  request.method_text = to_string(method);
  request.path = "/x";
  request.length = length;
  MemoryBody body(content);
  request.body = &body;
  const h1::ClientConnection::Timeouts timeouts = {seconds(5), seconds(5)};
  Result<void> done = co_await connection.send(request, "backend:80", timeouts, arena);
  Response response;
  while (done && response.status < 200) done = co_await connection.read_response(request, arena, response);
  if (done) {
    out.status = std::to_string(response.status);
    for (;;) {
      Result<Slice> piece = co_await response.body->pull();
      if (!piece) done = std::unexpected(std::move(piece.error()));
      if (!done || piece->empty()) break;
      out.content += *piece;
    }
  }
  if (!done) out.error = done.error().reason;
  out.reusable = connection.reusable();
}

Answered answered(const std::string& bytes, size_t piece, Method method = Method::get, Slice content = {},
                  BodyLength length = {}, bool truncated = false) {
  Loop loop;
  auto owned = std::make_unique<MemoryStream>(loop);
  MemoryStream& stream = *owned;
  h1::ClientConnection connection(std::move(owned));
  Answered out;
  const Task<> task = ask(connection, method, content, length, out);
  for (size_t at = 0; at < bytes.size() && !task.done(); at += piece)
    stream.feed(Slice(bytes).substr(at, piece));
  out.sent = stream.take_written();
  out.acknowledged = stream.acknowledged();
  if (!task.done()) stream.end(truncated);
  CHECK(task.done());
  return out;
}

}  // namespace

TEST_CASE("pipelined requests are the same, however their bytes are cut") {
  const std::string bytes =
      "GET /a?q HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: "
      "v\r\n\r\n"
      "PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
      "GET /e HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
      "GET /never HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::vector<std::string> expected = {"GET /a ", "POST /b hello", "POST /c abcdefg", "PUT /d ",
                                             "GET /e "};
  std::string whole;
  CHECK(served(bytes, bytes.size(), &whole) == expected);
  for (size_t piece = 1; piece < 80; ++piece) {
    CAPTURE(piece);
    std::string answers;
    CHECK(served(bytes, piece, &answers) == expected);
    CHECK(answers == whole);
  }
}

TEST_CASE("a request's head that comes without its content is acknowledged at once, and no other") {
  const auto acknowledged = [](const std::string& head, size_t piece) {
    int count = 0;
    CHECK(served(head + "hello", piece, nullptr, &count).front() == "POST /a hello");
    return count;
  };
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n";
  CHECK(acknowledged(head + "\r\n", head.size() + 2) == 1);
  CHECK(acknowledged(head + "\r\n", head.size() + 3) == 0);
  CHECK(acknowledged(head + "\r\n", 1000) == 0);
  CHECK(acknowledged(head + "Expect: 100-continue\r\n\r\n", head.size() + 24) == 0);  // our 100 does
}

TEST_CASE("a request that is refused is the last one of its connection") {
  const std::string next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
  for (size_t piece : {size_t{1}, size_t{7}, size_t{10'000}}) {
    CAPTURE(piece);
    CHECK(served("GET /a HTTP/1.1\r\n\r\n" + next, piece) == std::vector<std::string>{"!bad_host"});
    CHECK(served("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + next, piece)
              .front()
              .starts_with("!!"));
    CHECK(served("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nshort", piece).front() ==
          "!!ended_in_body");
    CHECK(served("GET /a HTT", piece) == std::vector<std::string>{"!ended_in_head"});
  }
}

TEST_CASE("a head that comes without its content is acknowledged at once, and no other") {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                    chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(answered(head + "hello", head.size()).acknowledged == 1);
  CHECK(answered(chunked + "0\r\n\r\n", chunked.size()).acknowledged == 1);
  CHECK(answered(head + "hello", head.size() + 1).acknowledged == 0);
  CHECK(answered(head + "hello", 1000).acknowledged == 0);
  CHECK(answered(head, 1000, Method::head).acknowledged == 0);
  CHECK(answered("HTTP/1.1 304 Not Modified\r\n\r\n", 1000).acknowledged == 0);
  CHECK(answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1000).acknowledged == 0);
}

TEST_CASE("an answer is the same, however its bytes are cut") {
  struct Example {
    std::string bytes, status, content, error;
    bool reusable;
  };
  const std::vector<Example> examples = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200", "hello", "", true},
      {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "200", "x",
       "", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "200", "abc",
       "", true},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", "200", "to the end", "", false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "200", "ok", "", false},
      {"HTTP/1.1 204 No Content\r\n\r\n", "204", "", "", true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", "204", "", "", false},
      {"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\n", "", "", "interim_content", false},
      {"HTTP/1.1 0200 OK\r\nContent-Length: 0\r\n\r\n", "", "", "bad_status_line", false},
      {"HTTP/1.1 200 \xc3\x9c\tOK\r\nContent-Length: 0\r\n\r\n", "200", "", "", true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "304", "", "", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "200", "hel", "ended_in_body", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "", "", "", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", "", "",
       false},
      {"nonsense\r\n\r\n", "", "", "bad_status_line", false},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", "", "",
       false},
      {"HTTP/1.1 99 Low\r\n\r\n", "", "", "", false},
  };
  for (const Example& e : examples) {
    CAPTURE(e.bytes);
    for (size_t piece = 1; piece <= e.bytes.size(); piece += 1 + piece / 8) {
      CAPTURE(piece);
      const Answered a = answered(e.bytes, piece);
      CHECK(a.status == e.status);
      CHECK(a.content == e.content);
      if (!e.error.empty() || !e.status.empty()) CHECK(a.error == e.error);
      if (e.status.empty()) CHECK_FALSE(a.error.empty());
      CHECK(a.reusable == e.reusable);
    }
  }
}

TEST_CASE("chunks of one byte that have come together are pulled together, up to a fault") {
  Loop loop;
  MemoryStream stream(loop);
  h1::ReceivedBody body(stream, {Code::request_timeout, Code::client_gone, Code::malformed_request});
  body.begin({BodyLength::Kind::chunked, 0}, seconds(1));
  std::string chunks, content;
  for (int i = 0; i < 1000; ++i) {
    content += static_cast<char>('a' + i % 26);
    chunks += "1\r\n" + content.substr(content.size() - 1) + "\r\n";
  }
  stream.feed(chunks);
  Task<Result<Slice>> all = body.pull();
  REQUIRE(all.done());
  CHECK(all.take().value() == content);
  stream.feed("3\r\nabc\r\nno size");
  Task<Result<Slice>> before = body.pull();
  REQUIRE(before.done());
  CHECK(before.take().value() == "abc");
  Task<Result<Slice>> fault = body.pull();
  REQUIRE(fault.done());
  CHECK(fault.take().error().reason == "bad_chunk_size");
}

TEST_CASE("content that only the end delimits is whole only at an end in order (RFC 9112 section 9.8)") {
  const auto cut = [](const std::string& bytes) { return answered(bytes, 100, Method::get, {}, {}, true); };
  CHECK(cut("HTTP/1.1 200 OK\r\n\r\nto the").error == "ended_in_body");
  CHECK(cut("HTTP/1.1 200 OK\r\n\r\n").error == "ended_in_body");
  CHECK(cut("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nto the").error.empty());
}

TEST_CASE("content goes to the backend by its length, or in chunks") {
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const auto sent = [&](BodyLength length) { return answered(ok, 100, Method::post, "hello", length).sent; };
  const std::string counted = sent({BodyLength::Kind::counted, 5});
  CHECK(counted.starts_with("POST /x HTTP/1.1\r\nHost: backend:80\r\n"));
  CHECK(counted.find("\r\nContent-Length: 5\r\n") != std::string::npos);
  CHECK(counted.ends_with("\r\n\r\nhello"));
  const std::string chunked = sent({BodyLength::Kind::chunked, 0});
  CHECK(chunked.find("\r\nTransfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(chunked.find("Content-Length") == std::string::npos);
  CHECK(chunked.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
}

TEST_CASE("the time for an answer begins when the backend has taken the content, or begins to answer") {
  for (const bool answers_early : {false, true}) {
    Loop loop;
    auto owned = std::make_unique<MemoryStream>(loop);
    MemoryStream& stream = *owned;
    h1::ClientConnection connection(std::move(owned));
    BlockPool pool;
    Arena arena(pool);
    MemoryBody body("hello");
    Request request;
    request.method = Method::post;
    request.method_text = "POST";
    request.path = "/x";
    request.length = {BodyLength::Kind::counted, 5};
    request.body = &body;
    stream.hold_output(true);
    const auto sent = connection.send(request, "backend:80", {seconds(5), seconds(5)}, arena);
    CHECK(stream.take_written().ends_with("hello"));
    CHECK_FALSE(sent.done());
    if (answers_early) {
      stream.feed("HTTP/1.1 200");
    } else {
      stream.hold_output(false);
    }
    CHECK(sent.done());
  }
}

TEST_CASE("what a backend has said before the connection broke under its request is its answer") {
  struct Large : Body {
    explicit Large(MemoryStream& to) : stream(to) {}
    Task<Result<Slice>> pull() override {
      if (++pulls == 2)
        stream.lose_output({Code::connection_reset, "connection_reset", ""},
                           "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
      return Task<Result<Slice>>::ready(Slice("piece"));
    }
    std::optional<uint64_t> remaining() const noexcept override { return 1'000'000; }
    MemoryStream& stream;
    int pulls = 0;
  };
  Loop loop;
  auto owned = std::make_unique<MemoryStream>(loop);
  Large body(*owned);
  h1::ClientConnection connection(std::move(owned));
  BlockPool pool;
  Arena arena(pool);
  Request request;
  request.method = Method::post;
  request.method_text = "POST";
  request.path = "/x";
  request.length = {BodyLength::Kind::counted, 1'000'005};
  request.body = &body;
  Task<Result<void>> sent = connection.send(request, "backend:80", {seconds(5), seconds(5)}, arena);
  REQUIRE(sent.done());
  CHECK(sent.take());
  Response response;
  Task<Result<void>> read = connection.read_response(request, arena, response);
  REQUIRE(read.done());
  CHECK(read.take());
  CHECK(response.status == 413);
  CHECK_FALSE(connection.reusable());
}
