// Upstreams: several targets, names, TLS to a backend, a limit on connections, clients that do not read.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"
#include "tests/support/tcp_server.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string forwarding(const std::string& upstream) {
  return "upstreams:\n  web: { " + upstream + " }\n" + R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web } }
)";
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// A backend that says nothing.
void takes_all(int fd, int) {
  Received received(fd);
  while (!received.some().empty()) {
  }
}

}  // namespace

TEST_CASE("several targets share the requests; a dead one costs nobody an answer") {
  Origin one(Origin::ok("one")), two(Origin::ok("two"));
  Gateway gateway(forwarding("targets: [" + quoted(one.target()) + ", \"http://127.0.0.1:1\", " +
                             quoted(two.target()) + "]"));
  for (int i = 0; i < 12; ++i) {
    CHECK(gateway.ask(get("/x")).status == 200);
    CHECK(gateway.ask(post("/x", "{}")).status == 200);  // nothing of it was sent to the dead one
  }
  CHECK(one.requests().size() >= 6);
  CHECK(two.requests().size() >= 6);
  CHECK(gateway.has_metric(R"(sallyport_upstream_requests_total{outcome="success",upstream="web"} 24)"));
}

TEST_CASE("what breaks at once is one failure of a target, however many requests it meets") {
  Origin one(Origin::ok("one"));
  const int port = free_port();
  Gateway gateway(forwarding("targets: [\"http://127.0.0.1:" + std::to_string(port) + "\", " +
                             quoted(one.target()) + "]"));
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < 30; ++i) all.push_back(gateway.connect());
  for (auto& client : all) client->send(get("/x"));
  for (auto& client : all) CHECK(client->read().status == 200);
  const TcpServer back([](int fd, int) { Received(fd).some(); }, Place{.port = port});
  gateway.advance(1100ms);
  for (int i = 0; i < 2; ++i)
    CHECK(gateway.ask(get("/x")).status == 200);  // as the first ends without an answer
  CHECK(back.connections() > 0);
}

TEST_CASE("a target that does not shake hands is waited for once: connect_timeout is the whole of it") {
  const TcpServer silent(takes_all);
  Gateway gateway(forwarding("targets: [\"https://127.0.0.1:" + std::to_string(silent.port()) +
                             "\"], tls: { verify: false }, connect_timeout: 60s"));
  const auto client = gateway.connect();
  CHECK(client->send(get("/x")));
  CHECK(eventually([&] { return silent.connections() == 1; }));
  gateway.advance(61s);
  CHECK(client->read().status == 503);
  CHECK(silent.connections() == 1);
}

TEST_CASE("a request that has waited for its turn leaves a target too little time to be judged by it") {
  const TcpServer silent(takes_all);
  std::atomic<bool> let_go{false};
  Origin slow([&](const OriginRequest& r) {
    eventually([&] { return let_go.load(); });
    return Origin::ok("slow")(r);
  });
  Gateway gateway(forwarding(
      "targets: [" + quoted(slow.target()) + ", \"https://127.0.0.1:" + std::to_string(silent.port()) +
      "\"], tls: { verify: false }, connect_timeout: 60s, response_timeout: 10m, connections_max: 1"));
  auto first = gateway.connect(), waits = gateway.connect();
  first->send(get("/x"));
  CHECK(eventually([&] { return slow.requests().size() == 1; }));
  waits->send(get("/x"));
  CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // behind it: it has been read
  gateway.advance(40s);
  let_go = true;
  CHECK(first->read().status == 200);
  CHECK(eventually([&] { return silent.connections() == 1; }));
  gateway.advance(21s);
  CHECK(waits->read().status == 200);  // by the other target
  CHECK_FALSE(gateway.told("upstream_failed"));
}

TEST_CASE("a target's name is looked up") {
  Origin origin;
  Gateway gateway(forwarding("targets: [\"http://localhost:" + std::to_string(origin.port()) + "\"]"));
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(origin.last().has("Host: localhost:" + std::to_string(origin.port())));
  Gateway nowhere(forwarding("targets: [\"http://no-such-host.invalid:80\"]"));
  CHECK(nowhere.ask(get("/x")).status == 503);
  CHECK(nowhere.log_line("name_not_resolved") != "");
}

TEST_CASE("a backend with TLS is believed only with a certificate of the right authority and name") {
  Gateway backend(
      "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200, body: \"by "
      "TLS\" } }\n");
  const std::string target =
      "targets: [\"https://127.0.0.1:" + std::to_string(backend.port()) + "\"], connect_timeout: 5s";
  const std::string c = certificates().path();
  const auto status = [&](const std::string& tls, const std::string& reason) {
    Gateway front(forwarding(target + ", tls: { " + tls + " }"));
    const Response r = front.ask(get("/x"));
    if (r.status == 200) CHECK(r.body == "by TLS");
    if (!reason.empty()) {
      CHECK(front.log_line(reason) != "");
      CHECK(front.told("upstream_failed upstream=web"));
    }
    return r.status;
  };
  CHECK(status("ca: " + c + "/tls.crt", "") == 200);
  CHECK(status("ca: " + c + "/tls.crt, server_name: api.test", "") == 200);
  CHECK(status("ca: " + c + "/tls.crt, server_name: wrong.test", "upstream_tls_failed") == 503);
  CHECK(status("ca: " + c + "/other.crt", "upstream_tls_failed") == 503);
  CHECK(status("server_name: api.test", "upstream_tls_failed") == 503);  // the system's bundle
  CHECK(status("verify: false", "") == 200);
}

TEST_CASE("why TLS to a backend cannot begin is told, and nothing of certificates where none has come") {
  const TcpServer plain([](int fd, int) { send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
  const Gateway old(
      "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 204 } }\n", {},
      {.edge_tls = "certificates: [ { cert: " + certificates().path() +
                   "/tls.crt, key: " + certificates().path() + "/tls.key } ], http2: false"});
  const auto tells = [](const std::string& target, const std::string& cause) {
    Gateway front(forwarding("targets: [\"" + target + "\"], tls: { verify: false }"));
    CHECK(front.ask(get("/x")).status == 503);
    CHECK(front.told("(127.0.0.1): " + cause));
    CHECK(front.errors().find("verification") == std::string::npos);
  };
  tells("https://127.0.0.1:" + std::to_string(plain.port()), "not_tls what came is no TLS");
  tells("h2://127.0.0.1:" + std::to_string(old.port()),
        "protocol_refused_by_peer the other side speaks none of the protocols that it was offered (ALPN)");
}

TEST_CASE("no more connections than allowed; who waits too long for one is told so") {
  std::atomic<int> inside{0};
  std::atomic<bool> let_go{false};
  Origin origin([&](const OriginRequest& r) {
    ++inside;
    eventually([&] { return let_go.load(); });
    return Origin::ok("ok")(r);
  });
  Gateway gateway(forwarding("targets: [" + quoted(origin.target()) + "], connections_max: 1"));
  auto first = gateway.connect(), second = gateway.connect(), third = gateway.connect();
  first->send(get("/1"));
  CHECK(eventually([&] { return inside == 1; }));
  second->send(get("/2"));
  gateway.advance(2s);
  CHECK(second->read().status == 503);
  third->send(get("/3"));
  let_go = true;
  CHECK(first->read().status == 200);
  CHECK(third->read().status == 200);
  CHECK(origin.connections() == 1);
}

TEST_CASE("whether a request is tried once more does not depend on how its bytes were cut") {
  Origin origin([](const OriginRequest& r) -> std::string {
    const bool stale = r.connection % 2 == 1 && r.head.find("/first") == std::string::npos;
    return stale ? "" : Origin::ok("ok")(r) + (r.connection % 2 == 0 ? Origin::close_mark : "");
  });
  Gateway gateway(forwarding("targets: [" + quoted(origin.target()) + "]"));
  const auto head = [](const std::string& method, const std::string& headers) {
    return method + " /x HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n\r\n";
  };
  const std::string two = "Content-Length: 2";
  for (const auto& [request, rest] : std::vector<std::pair<std::string, std::string>>{
           {head("GET", "A: b"), ""},
           {head("DELETE", "Content-Length: 0"), ""},
           {head("PUT", "Content-Length: 0"), ""},
           {head("PUT", two) + "ab", ""},
           {head("PUT", two), "ab"},
           {head("PUT", two) + "a", "b"},
           {head("PUT", "Transfer-Encoding: chunked") + "2\r\nab\r\n0\r\n\r\n", ""}}) {
    CAPTURE(request);
    CHECK(gateway.ask(get("/first")).status == 200);
    auto client = gateway.connect();
    client->send(request);
    if (!rest.empty()) CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // behind it
    client->send(rest);
    CHECK(client->read().status == 200);
    const bool has_content = request.starts_with("PUT") && request.find("Length: 0") == std::string::npos;
    CHECK(origin.last().body == (has_content ? "ab" : ""));
  }
}

TEST_CASE(
    "a kept connection that closes under a POST is no failure of its target, but a request that failed") {
  Origin origin([](const OriginRequest& r) -> std::string {
    return r.head.starts_with("POST") ? "" : Origin::ok("ok")(r);
  });
  Gateway gateway(forwarding("targets: [" + quoted(origin.target()) + "]"));
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status == 502);
  const std::string closed =
      "sallyport_upstream_requests_total{outcome=\"upstream_closed\",upstream=\"web\"} ";
  CHECK(gateway.has_metric(closed + "1"));
  CHECK(gateway.errors().find("upstream_failed") == std::string::npos);
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.has_metric(closed + "1"));
}

TEST_CASE(
    "a new connection that ends without a byte of an answer: what is idempotent is tried once elsewhere") {
  for (const char* ends : {"", Origin::reset_mark}) {
    const auto breaks = [&](const OriginRequest&) { return std::string(ends); };
    Origin bad(breaks), worse(breaks), good(Origin::ok("good"));
    const auto targets = [&](const Origin& other) {
      return forwarding("targets: [" + quoted(bad.target()) + ", " + quoted(other.target()) + "]");
    };
    {
      Gateway gateway(targets(good));
      CHECK(gateway.ask(get("/x")).body == "good");
      CHECK(bad.requests().size() == 1);
      CHECK(gateway.told("upstream_failed"));
    }
    {
      Gateway gateway(targets(good));
      CHECK(gateway.ask("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").body == "good");
      CHECK(good.last().body == "ab");
      CHECK(bad.requests().size() == 2);
    }
    {
      Gateway gateway(targets(good));
      CHECK(gateway.ask(post("/x", "{}")).status == 502);  // it may have acted on it
      CHECK(bad.requests().size() == 3);
    }
    {
      Gateway gateway(targets(worse));
      CHECK(gateway.ask(get("/x")).status == 502);  // once, and no more
      CHECK(bad.requests().size() + worse.requests().size() == 5);
    }
  }
}

TEST_CASE(
    "a request has one time for its answer, from when all of it has gone out, however often it is tried") {
  std::atomic<int> asked{0};
  std::atomic<bool> let_go{false};
  TcpServer ends_or_is_silent([&](int fd, int number) {
    Received input(fd);
    const auto head = input.until("\r\n\r\n");
    const bool slow = head && head->starts_with("PUT");
    if (slow) input.exactly(number % 2 == 1 ? 2 : 4);
    ++asked;
    if (slow && number % 2 == 0) send_all(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    if (number % 2 == 1)
      eventually([&] { return let_go.load(); });
    else
      input.some();
  });
  Gateway gateway("http: { body_timeout: 3h, body_rate: 0B }\n" +
                  forwarding("targets: [\"http://127.0.0.1:" + std::to_string(ends_or_is_silent.port()) +
                             "\"], response_timeout: 1h"));
  auto client = gateway.connect();
  client->send(get("/x"));
  CHECK(eventually([&] { return asked == 1; }));
  gateway.advance(50min);
  let_go = true;
  CHECK(eventually([&] { return asked == 2; }));
  gateway.advance(11min);
  CHECK(client->read().status == 504);
  auto slow = gateway.connect();  // its time has not begun when the first connection ends
  slow->send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  CHECK(eventually([&] { return ends_or_is_silent.connections() == 4; }));
  gateway.advance(2h);
  slow->send("cd");
  CHECK(slow->read().status == 204);
}

TEST_CASE("an answer that has begun is not asked for again") {
  std::atomic<int> asked{0};
  TcpServer stops([&](int fd, int) {
    Received input(fd);
    input.until("\r\n\r\n");
    ++asked;
    send_all(fd, "H");
  });
  Gateway gateway(forwarding("targets: [\"http://127.0.0.1:" + std::to_string(stops.port()) + "\"]"));
  CHECK(gateway.ask(get("/x")).status == 502);
  CHECK(asked == 1);
}

TEST_CASE("a backend that resets a POST while it is being sent is 502, which asks nobody to send it again") {
  TcpServer backend([](int fd, int) {
    Received(fd).until("\r\n\r\n");
    const linger at_once{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, fd);  // closes it with a reset: much of the content is unread
    close(null);
  });
  Gateway gateway("upstreams: { web: { targets: [\"http://127.0.0.1:" + std::to_string(backend.port()) +
                  "\"] } }\nroutes:\n  - { name: x, match: { path: /x }, authenticate: public, body: { max: "
                  "8MiB }, forward: { to: web } }\n");
  ClientOptions plain;
  plain.tls = false;
  for (int i = 0; i < 10; ++i) {
    Client client(gateway.port("mesh"), plain);
    client.send(post("/x", std::string(3'000'000, 'a')));  // as far as it is taken
    const Response r = client.read();
    CHECK(r.status == 502);
    CHECK(r.header("retry-after") == "");
  }
}

TEST_CASE("a client that does not read stops its backend, and is cut in the end") {
  const std::string piece(1 << 20, 'x');
  Origin origin([&](const OriginRequest&) {
    std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(64 * piece.size()) + "\r\n\r\n";
    for (int i = 0; i < 64; ++i) answer += piece;
    return answer;
  });
  Gateway gateway(forwarding("targets: [" + quoted(origin.target()) + "]"));
  auto lazy = gateway.connect();
  lazy->send(get("/lazy"));
  CHECK(lazy->read_some().starts_with(
      "HTTP/1.1 200"));  // the answer has begun: no wait for the backend ends it
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 1)"));
  CHECK(gateway.ask(get("/other", "Connection: close\r\n")).body.size() == 64 * piece.size());
  gateway.advance(31s);
  const std::string line = gateway.log_line("\"path\":\"/lazy\"");
  INFO(line);
  CHECK(line.find("\"status\":200") != std::string::npos);
  CHECK(line.find("\"reason\":\"slow_reader\"") != std::string::npos);
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 0)"));
}

TEST_CASE(
    "where all connections are in use, a client that does not read gives up its own to one that waits") {
  const std::string large(64 << 20, 'x');
  Origin origin([&](const OriginRequest& r) -> std::string {
    if (r.head.find("/large") == std::string::npos) return Origin::ok("ok")(r);
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n" + large;
  });
  Gateway gateway(
      forwarding("targets: [" + quoted(origin.target()) + "], connections_max: 1, connect_timeout: 10s"));
  auto lazy = gateway.connect(), waits = gateway.connect();
  lazy->send(get("/large/lazy"));
  CHECK(lazy->read_some().starts_with("HTTP/1.1 200"));
  waits->send(get("/waits"));
  for (int i = 0; i < 3; ++i) gateway.advance(2100ms);  // one of them after its answer has got stuck
  CHECK(waits->read().status == 200);
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="idle",upstream="web"} 1)"));
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 0)"));
  CHECK_FALSE(gateway.log_line("\"path\":\"/waits\"").empty());
  CHECK(gateway.ask(get("/late")).status == 200);  // and the count of connections is right
  std::string seen;
  for (std::string more; !(more = lazy->read_some()).empty();) seen += more;
  CHECK(seen.size() < large.size());  // told by the cut: it is not all
  CHECK(gateway.log_line("\"path\":\"/large/lazy\"").find("\"reason\":\"slow_reader\"") != std::string::npos);
}

TEST_CASE("a slow body is 408, and a backend that stops in mid-answer ends the answer") {
  Origin origin([](const OriginRequest& r) -> std::string {
    if (r.head.find("/stuck") == std::string::npos) return Origin::ok("ok")(r);
    return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
  });
  Gateway gateway(forwarding("targets: [" + quoted(origin.target()) + "]"));
  auto slow = gateway.connect();
  slow->send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  CHECK(eventually([&] { return origin.connections() == 1; }));
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 1)"));
  gateway.advance(31s);
  CHECK(slow->read().status == 408);
  auto stuck = gateway.connect();
  stuck->send(get("/stuck"));
  CHECK(eventually([&] {
    const auto all = origin.requests();  // the slow one's, broken off, may come before or behind it
    return std::ranges::any_of(
        all, [](const OriginRequest& r) { return r.head.find("/stuck") != std::string::npos; });
  }));
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 1)"));
  std::string seen;
  while (seen.find("half") == std::string::npos) seen += stuck->read_some();
  gateway.advance(31s);
  CHECK(stuck->at_end());
  CHECK(gateway.log_line("\"path\":\"/stuck\"").find("\"bytes_out\":4") != std::string::npos);
  CHECK(gateway.told("upstream_answer_broken upstream=web reason=body_timeout"));
  CHECK(gateway.has_metric(R"(sallyport_upstream_requests_total{outcome="answer_broken",upstream="web"} 1)"));
}

TEST_CASE("an event stream passes event by event, and may be silent for longer than other content") {
  Origin origin([](const OriginRequest& r) {
    const bool events = r.head.find("/events") != std::string::npos;
    return std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/") +
           (events ? "event-stream" : "plain") + "\r\n\r\n8\r\ndata: x\n\r\n";
  });
  Gateway gateway(forwarding("targets: [" + quoted(origin.target()) + "]"));
  auto events = gateway.connect(), plain = gateway.connect();
  for (Client* client : {events.get(), plain.get()}) {
    client->send(get(client == events.get() ? "/events" : "/plain"));
    CHECK(client->read(true).status == 200);
    CHECK(client->read_some().find("data: x") != std::string::npos);
  }
  gateway.advance(31s);
  CHECK(plain->at_end());
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 1)"));
  gateway.advance(5min);
  CHECK(events->at_end());
}

TEST_CASE("a route rewrites the path: the backend gets what was matched, encoded once") {
  Origin origin;
  const std::string to = "authenticate: public, forward: { to: web, path: ";
  Gateway gateway("upstreams: { web: { targets: [" + quoted(origin.target()) + "] } }\nroutes:\n" +
                  "  - { name: one, match: { path: \"/api/{id}/x\" }, " + to + "\"/v1/things/{id}\" } }\n" +
                  "  - { name: strip, match: { path: \"/files/{rest...}\" }, " + to + "\"/{rest...}\" } }\n" +
                  "  - { name: fixed, match: { path: \"/old\" }, " + to + "\"/new/\" } }\n");
  const auto asked = [&](const std::string& path) {
    CHECK(gateway.ask(get(path)).status == 200);
    const std::string head = origin.last().head;
    return head.substr(4, head.find(" HTTP/1.1") - 4);
  };
  CHECK(asked("/api/a%20b%3F/x?q=1") == "/v1/things/a%20b%3F?q=1");
  CHECK(asked("/files/a/b%2eb/") == "/a/b.b/");
  CHECK(asked("/files") == "/");
  CHECK(asked("/files/") == "/");
  CHECK(asked("/old") == "/new/");
  CHECK(gateway.log_line("\"path\":\"/api/a%20b%3F/x\"") != "");  // the log has the client's
  const TempDir dir;
  const std::string bad =
      dir.write("bad.yaml",
                "version: 1\nlisteners: [ { name: m, address: \"127.0.0.1:0\", plaintext: true } ]\n"
                "upstreams: { web: { targets: [\"http://127.0.0.1:1\"] } }\nroutes: [ { name: one, match: { "
                "path: \"/a/{id}\" }, " +
                    to + "\"/v1/{other}\" } } ]\n");
  const Finished checked = run({binary(), "check", bad});
  CHECK(checked.status == 78);
  CHECK(checked.err.find("{other} is not in match.path") != std::string::npos);
}

TEST_CASE(
    "routes that share a path have their own names in it: what is validated and what is rewritten are "
    "theirs") {
  Origin origin;
  const std::string to = "authenticate: public, forward: { to: web, path: ";
  Gateway gateway("upstreams: { web: { targets: [" + quoted(origin.target()) + "] } }\nroutes:\n" +
                  "  - { name: read, match: { path: \"/orders/{id}\", methods: [GET] }, validate: { path: { "
                  "id: { pattern: "
                  "\"^[0-9]+$\" } } }, " +
                  to + "\"/v1/orders/{id}\" } }\n" +
                  "  - { name: write, match: { path: \"/orders/{order}\", methods: [POST] }, " + to +
                  "\"/v1/orders/{order}\" } }\n" +
                  "  - { name: see, match: { path: \"/t/{tenant}/{id}\", methods: [GET] }, " + to +
                  "\"/v1/{tenant}/{id}\" } }\n" +
                  "  - { name: set, match: { path: \"/t/{id}/{tenant}\", methods: [POST] }, " + to +
                  "\"/v2/{tenant}/{id}\" } }\n");
  const auto asked_for = [&](const std::string& path) {
    return origin.last().head.contains(" " + path + " HTTP/1.1");
  };
  CHECK(gateway.ask(get("/orders/abc")).status == 400);
  CHECK(gateway.ask(get("/orders/7")).status == 200);
  CHECK(asked_for("/v1/orders/7"));
  CHECK(gateway.ask(post("/orders/x", "{}")).status == 200);
  CHECK(asked_for("/v1/orders/x"));
  CHECK(gateway.ask(get("/t/acme/7")).status == 200);
  CHECK(asked_for("/v1/acme/7"));
  CHECK(gateway.ask(post("/t/7/acme", "{}")).status == 200);
  CHECK(asked_for("/v2/acme/7"));
}

TEST_CASE("answers name the client's paths where the route rewrites them, and are left alone elsewhere") {
  Origin origin([](const OriginRequest& r) {
    const size_t host = r.head.find("Host: ") + 6;
    const std::string self = "http://" + r.head.substr(host, r.head.find("\r\n", host) - host);
    const std::string place = r.head.find("/list") != std::string::npos ? "https://evil.test" : self;
    return "HTTP/1.1 201 Created\r\nLocation: " + place +
           "/v1/orders/42?a=b\r\nContent-Location: /v1/orders/42" +
           "\r\nSet-Cookie: s=1; Path=/v1/orders; HttpOnly; Domain=127.0.0.1\r\nSet-Cookie: t=2; Path=/" +
           "\r\nLink: </v1/orders>\r\nContent-Length: 0\r\n\r\n";
  });
  const std::string to = "authenticate: public, forward: { to: web";
  Gateway gateway(
      "upstreams: { web: { targets: [" + quoted(origin.target()) + "] } }\nroutes:\n" +
      "  - { name: create, match: { path: /orders }, " + to + ", path: /v1/orders } }\n" +
      "  - { name: list, match: { path: /list }, " + to + ", path: /v1/list } }\n" +
      "  - { name: same, match: { path: \"/v1/{rest...}\" }, " + to + " } }\n" +
      "  - { name: told, match: { path: /told }, " + to + ", path: /v1/orders, answers: keep } }\n" +
      "  - { name: host, match: { path: \"/v1/orders/{id}\" }, " + to + ", answers: rewrite } }\n");
  const Response r = gateway.ask(post("/orders", "{}"));
  CHECK(r.header("location") == "https://api.test/orders/42?a=b");
  CHECK(r.header("content-location") == "/orders/42");
  CHECK(r.header("set-cookie") == "s=1; Path=/orders; HttpOnly, t=2; Path=/");
  CHECK(r.header("link") == "</v1/orders>");
  CHECK(gateway.ask(get("/list")).header("location") == "https://evil.test/v1/orders/42?a=b");
  const std::string here = origin.target() + "/v1/orders/42?a=b";
  const std::string cookies = "s=1; Path=/v1/orders; HttpOnly; Domain=127.0.0.1, t=2; Path=/";
  for (const char* path : {"/v1/x", "/told"}) {
    const Response kept = gateway.ask(get(path));
    CHECK(kept.header("location") == here);
    CHECK(kept.header("content-location") == "/v1/orders/42");
    CHECK(kept.header("set-cookie") == cookies);
  }
  const Response host = gateway.ask(get("/v1/orders/1"));
  CHECK(host.header("location") == "https://api.test/v1/orders/42?a=b");
  CHECK(host.header("set-cookie") == "s=1; Path=/v1/orders; HttpOnly, t=2; Path=/");
}
