// Backends that do not read what they are sent: nothing of it is taken for anybody's request, and what they
// say of it is heard.
#include <doctest/doctest.h>

#include <mutex>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"
#include "tests/support/tcp_server.h"

using namespace sallyport::test;

namespace {

std::string open_routes(int port, const std::string& more = "") {
  return "upstreams:\n  web: { targets: [\"http://127.0.0.1:" + std::to_string(port) + "\"]" + more + " }\n" +
         R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, body: { max: 64MiB }, forward: { to: web } }
)";
}

// Reads heads and no content, and goes on whatever it is told; answers with the request's own line. What it
// gets at /hidden is answered once it has another request.
class Deaf {
 public:
  int port() const { return server_.port(); }
  std::string last() {
    std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  void serve(int fd) {
    Received input(fd);
    for (auto head = input.until("\r\n\r\n"); head; head = input.until("\r\n\r\n")) {
      const std::string line = head->substr(0, head->find("\r\n"));
      if (line.find("/hidden") != std::string::npos && !input.until("\r\n\r\n")) return;
      {
        std::lock_guard lock(mutex_);
        last_ = *head;
      }
      const bool none = line.starts_with("HEAD");
      send_all(fd, "HTTP/1.1 200 OK\r\nX-Line: " + line + "\r\nContent-Length: " + (none ? "0" : "2") +
                       "\r\n\r\n" + (none ? "" : "ok"));
    }
  }
  std::mutex mutex_;
  std::string last_;
  TcpServer server_{[this](int fd, int) { serve(fd); }};
};

}  // namespace

// Python's http.server, and many a handler of GET, do so.
TEST_CASE(
    "content that its method gives no meaning is never another's request: its connection is for it alone") {
  Deaf origin;
  Gateway gateway(open_routes(origin.port()));
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const std::string method : {"GET", "DELETE", "OPTIONS", "HEAD", "PURGE", "PROPFIND", "get"}) {
    CAPTURE(method);
    const std::string head = method + " /x HTTP/1.1\r\nHost: a\r\n";
    auto client = gateway.connect();
    client->send(head + "Content-Length: " + std::to_string(hidden.size()) + "\r\n\r\n" + hidden);
    CHECK(client->read(method == "HEAD").status == 200);
    CHECK(origin.last().find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK(gateway.ask(get("/next")).header("x-line") == "GET /next HTTP/1.1");
    auto other = gateway.connect();
    other->send(head + "Content-Length: 0\r\n\r\n");
    CHECK(other->read(method == "HEAD").status == 200);
    CHECK(origin.last().find("\r\nConnection:") == std::string::npos);
  }
}

TEST_CASE(
    "a GET with content is served like any other (Elasticsearch), and one without keeps its connection") {
  Origin origin;
  Gateway gateway(open_routes(origin.port()));
  auto client = gateway.connect();
  for (int i = 0; i < 2; ++i) {
    CHECK(client->ask("GET /_search HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").body == "ok");
    CHECK(origin.last().body == "{}");
  }
  CHECK(client->ask("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
            .body == "ok");
  CHECK(origin.last().has("Connection: close"));
  CHECK(origin.connections() == 3);
  for (int i = 0; i < 3; ++i) CHECK(client->ask(get("/x")).body == "ok");
  CHECK(client->ask(post("/x", "{}")).body == "ok");
  CHECK(origin.connections() == 4);
}

TEST_CASE(
    "a backend that refuses content unread and resets: its client hears why, and it is no failure of it") {
  Origin origin(Origin::ok("ok"), [](const OriginRequest& r) {
    if (r.head.starts_with("GET")) return std::string();
    return std::string(
               "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmuch") +
           Origin::reset_mark;
  });
  Gateway gateway(open_routes(origin.port()));
  const std::string much(1000000, 'x');
  for (int i = 0; i < 20; ++i) {
    const Response r = gateway.ask(
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(much.size()) + "\r\n\r\n" + much);
    CHECK(r.status == 413);
    CHECK(r.body == "much");
  }
  CHECK(gateway.ask(get("/x")).body == "ok");
}
