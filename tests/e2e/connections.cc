// Connections: keep-alive, pipelining, streaming in constant memory, expectations, clients that leave, TLS.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string open_routes(const Origin& origin) {
  return "upstreams:\n  web: { targets: [\"" + origin.target() + "\"] }\n" + R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, body: { max: 2GiB }, forward: { to: web } }
  - { name: small, match: { path: /small }, authenticate: public, body: { max: 10B }, forward: { to: web } }
)";
}

// A line of /proc/PID/status: VmRSS: the memory that is resident, VmHWM: its peak.
size_t memory_kib(pid_t pid, const std::string& what) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what)) return std::strtoull(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

}  // namespace

TEST_CASE("a connection is kept, on both sides") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  for (int i = 0; i < 5; ++i) CHECK(client->ask(get("/" + std::to_string(i))).status == 200);
  CHECK(origin.connections() == 1);
  CHECK(client->ask(get("/last", "Connection: close\r\n")).header("connection") == "close");
  CHECK(client->at_end());
}

TEST_CASE("pipelined requests are answered in order") {
  Origin origin([](const OriginRequest& r) { return Origin::ok(r.head.substr(0, r.head.find(" HTTP")))(r); });
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  client->send(get("/1") + post("/2", "abc") + get("/3"));
  CHECK(client->read().body == "GET /1");
  CHECK(client->read().body == "POST /2");
  CHECK(client->read().body == "GET /3");
}

TEST_CASE("a chunked body goes through, whatever its pieces") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  client->send("POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nab");
  client->send("c\r\n4\r\ndefg\r");
  client->send("\n0\r\nTrailer: x\r\n\r\n");
  CHECK(client->read().status == 200);
  CHECK(origin.last().body == "abcdefg");
  CHECK(origin.last().has("Transfer-Encoding: chunked"));
  CHECK(client->ask(get("/next")).status == 200);
}

TEST_CASE("HEAD, 204 and 304 have no content, and the connection goes on") {
  Origin origin([](const OriginRequest& r) -> std::string {
    if (r.head.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n";
    if (r.head.find("/204") != std::string::npos) return "HTTP/1.1 204 No Content\r\n\r\n";
    if (r.head.find("/304") != std::string::npos) return "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n";
    return Origin::ok("end")(r);
  });
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  client->send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  const Response head = client->read(true);
  CHECK(head.status == 200);
  CHECK(head.header("content-length") == "123");
  CHECK(client->ask(get("/204")).status == 204);
  CHECK(client->ask(get("/304")).status == 304);
  CHECK(client->ask(get("/x")).body == "end");
}

TEST_CASE("answers without a length, in chunks, and after interim ones, which pass") {
  Origin origin([](const OriginRequest& r) -> std::string {
    if (r.head.find("/close") != std::string::npos)
      return std::string("HTTP/1.1 200 OK\r\n\r\nuntil the end") + Origin::close_mark;
    return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
           "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  });
  Gateway gateway(open_routes(origin));
  CHECK(gateway.ask(get("/close")).body == "until the end");
  auto client = gateway.connect();
  const Response hints = client->ask(get("/chunks"));
  CHECK(hints.status == 103);
  CHECK(hints.header("link") == "</x>");
  CHECK(client->read().body == "abcde");
  auto old = gateway.connect();
  CHECK(old->ask("GET /chunks HTTP/1.0\r\nHost: a\r\n\r\n").body == "abcde");
}

TEST_CASE(
    "a backend may answer before it has the content: the answer passes, and the connection ends or goes on") {
  Origin origin(Origin::ok("late"), [](const OriginRequest&) {
    return std::string("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nearly");
  });
  Gateway gateway(open_routes(origin));
  auto much = gateway.connect();
  much->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome");
  const Response refused = much->read();
  CHECK(refused.body == "early");
  CHECK(refused.header("connection") == "close");
  CHECK(much->at_end());
  auto little = gateway.connect();
  little->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsome");
  CHECK(little->read().body == "early");
  CHECK(little->ask("more" + get("/next")).body == "early");
}

TEST_CASE(
    "an interim response does not start the wait for the answer: the request goes on as long as it takes") {
  Origin origin(Origin::ok("whole"),
                [](const OriginRequest&) { return std::string("HTTP/1.1 103 Early Hints\r\n\r\n"); });
  Gateway gateway("http: { body_rate: 0B }\n" + open_routes(origin));
  auto client = gateway.connect();
  client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
  CHECK(client->read().status == 103);
  gateway.advance(20s);  // longer than response_timeout, shorter than body_timeout
  client->send("half");
  CHECK(eventually([&] { return gateway.has_metric(R"(sallyport_connections{listener="edge"} 1)"); }));
  client->send("half");
  CHECK(client->read().body == "whole");
}

TEST_CASE("a kept connection that the backend closes as we send: content that is still there is sent again") {
  std::atomic<int> heads = 0;
  Origin origin(Origin::ok("ok"), [&](const OriginRequest&) {
    const int head = ++heads;
    return std::string(head == 2 || head == 5 ? Origin::close_mark : "");
  });
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  const auto late = [&](const std::string& method) {
    CHECK(client->ask(get("/before")).body == "ok");
    client->send(method + " /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status ==
          417);  // behind it: the head has been read
    client->send("body");
    return client->read();
  };
  CHECK(late("PUT").body == "ok");
  CHECK(heads == 3);
  CHECK(origin.last().body == "body");
  CHECK(late("POST").status == 502);  // it may have been done: sent once
  CHECK(heads == 5);
}

TEST_CASE("Expect: 100-continue is answered when the body is wanted, and a refusal without asking for it") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client->read().status == 100);
  client->send("abc");
  CHECK(client->read().status == 200);
  CHECK(origin.last().body == "abc");
  CHECK(origin.last().head.find("Expect") == std::string::npos);
  auto refused = gateway.connect();
  CHECK(refused->ask("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
            .status == 413);
  CHECK(refused->at_end());
  CHECK(gateway.ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: tea\r\n\r\n").status == 417);
}

TEST_CASE("all that a client has sent before its end is answered, however much of it waits still encrypted") {
  std::promise<void> first, second;
  Origin origin(
      [one = first.get_future().share(), two = second.get_future().share()](const OriginRequest& r) {
        (r.head.find("/one") != std::string::npos ? one : two).wait();
        return Origin::ok("late")(r);
      });
  Gateway gateway(
      "http: { header_bytes: 60KiB, abort_on_fin: false }\nupstreams: { web: { targets: [\"" +
      origin.target() +
      "\"] } }\nroutes:\n"
      "  - { name: late, match: { path: \"/late/{n}\" }, authenticate: public, forward: { to: web } }\n"
      "  - { name: now, match: { path: /now }, authenticate: public, respond: { status: 200 } }\n");
  const auto head = [](const std::string& path, size_t bytes) {
    std::string fields;
    for (size_t left = bytes; left > 0; left -= std::min<size_t>(left, 900))
      fields += "X: " + std::string(std::min<size_t>(left, 900), 'a') + "\r\n";
    return get(path, fields);
  };
  auto client = gateway.connect();
  CHECK(client->send(get("/late/one")));
  CHECK(eventually([&] { return origin.requests().size() == 1; }));
  std::string behind;
  size_t answers = 2;
  for (; behind.size() < 18'000; ++answers) behind += head("/now", 8000);
  behind += head("/late/two", 56'000);
  for (; behind.size() < 126'000; ++answers) behind += head("/now", 900);
  for (size_t at = 0; at < behind.size(); at += 1000) CHECK(client->send(behind.substr(at, 1000)));
  first.set_value();
  CHECK(client->read().status == 200);
  CHECK(eventually([&] { return origin.requests().size() == 2; }));
  client->half_close();
  CHECK(gateway.ask(get("/now")).status == 200);  // behind it: it has been seen
  second.set_value();
  for (size_t left = answers - 1; left > 0; --left) REQUIRE(client->read().status == 200);
  CHECK(client->at_end());
}

TEST_CASE("a GiB passes in constant memory, each way") {
  const std::string piece(1 << 20, 'x');
  constexpr size_t pieces = 1024;
  const std::string length = "Content-Length: " + std::to_string(piece.size() * pieces) + "\r\n\r\n";
  Origin origin([&](const OriginRequest& r) {
    if (r.head.starts_with("POST")) return Origin::ok("taken")(r);
    return "HTTP/1.1 200 OK\r\n" + length + piece + Origin::times(pieces);
  });
  Gateway gateway(open_routes(origin));
  gateway.ask(get("/warm", "Connection: close\r\n"));
  const size_t before = memory_kib(gateway.process().pid(), "VmHWM:");
  auto client = gateway.connect();
  client->send("POST /x HTTP/1.1\r\nHost: a\r\n" + length);
  bool sent = true;
  for (size_t i = 0; i < pieces && sent; ++i) sent = client->send(piece);
  CHECK(sent);
  CHECK(client->read().body == "taken");
  CHECK(origin.last().body_bytes == piece.size() * pieces);
  client->send(get("/x"));
  CHECK(client->read(true).status == 200);
  size_t received = 0;
  for (std::string some; received < piece.size() * pieces && !(some = client->read_some()).empty();)
    received += some.size();
  CHECK(received == piece.size() * pieces);
  const size_t after = memory_kib(gateway.process().pid(), "VmHWM:");
  MESSAGE("resident memory grew by " << after - before << " KiB");
  CHECK(after < before + 16 * 1024);  // the sanitizer's quarantine included
}

TEST_CASE("a GiB passes in constant memory over HTTP/2, each way") {
  const std::string piece(1 << 20, 'x');
  constexpr size_t pieces = 1024;
  const std::string bytes = std::to_string(piece.size() * pieces);
  Origin origin([&](const OriginRequest& r) {
    if (r.head.starts_with("PUT")) return Origin::ok("taken")(r);
    return "HTTP/1.1 200 OK\r\nContent-Length: " + bytes + "\r\n\r\n" + piece + Origin::times(pieces);
  });
  Gateway gateway(open_routes(origin));
  const std::string url = "https://localhost:" + std::to_string(gateway.port()) + "/x";
  const std::vector<std::string> curl = {"curl", "-sk", "--http2", "-w",
                                         "%{http_version} %{http_code} %{size_download}"};
  const auto asked = [&](std::vector<std::string> more) {
    more.insert(more.begin(), curl.begin(), curl.end());
    more.push_back(url);
    return run(more).out;
  };
  CHECK(asked({"-T", gateway.dir().path("gateway.yaml")}) == "taken2 200 5");
  const size_t before = memory_kib(gateway.process().pid(), "VmHWM:");
  CHECK(asked({"-o", "/dev/null"}) == "2 200 " + bytes);
  const std::string file = gateway.dir().write("upload", "");
  REQUIRE(truncate(file.c_str(), static_cast<off_t>(piece.size() * pieces)) == 0);
  CHECK(asked({"-T", file}) == "taken2 200 5");
  CHECK(origin.last().body_bytes == piece.size() * pieces);
  const size_t after = memory_kib(gateway.process().pid(), "VmHWM:");
  MESSAGE("resident memory grew by " << after - before << " KiB");
  CHECK(after < before + 16 * 1024);  // the sanitizer's quarantine included
}

TEST_CASE("content that trickles in is refused, however the silence between two bytes is timed") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  auto slow = gateway.connect();
  slow->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx");
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 1)"));
  CHECK(eventually([&] {
    gateway.advance(2s);
    slow->send("x");
    return gateway.dir().read("access.log").find("body_too_slow") != std::string::npos;
  }));
  CHECK(slow->read().status == 408);
  CHECK(slow->at_end());
}

TEST_CASE("connections of one address have a limit of their own") {
  Origin origin;
  Gateway gateway("http: { connections_per_address: 3 }\n" + open_routes(origin));
  auto one = gateway.connect(), two = gateway.connect(), three = gateway.connect();
  CHECK(three->ask(get("/x")).status == 200);
  CHECK_FALSE(gateway.connect()->connected());
  CHECK(gateway.has_metric(
      R"(sallyport_connections_refused_total{listener="edge",reason="connections_per_address"} 1)"));
  one.reset();
  CHECK(eventually([&] { return gateway.connect()->connected(); }));
}

TEST_CASE("a client that leaves in the middle of its body loses nothing for others") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  auto leaver = gateway.connect();
  leaver->send("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
  CHECK(eventually([&] { return origin.connections() == 1; }));
  leaver->reset();
  CHECK(gateway.log_line("\"path\":\"/gone\"").find("\"reason\":") != std::string::npos);
  CHECK(gateway.ask(get("/next")).status == 200);
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 0)"));
}

TEST_CASE("a backend that closes a kept connection as we send: a GET is sent again") {
  Origin origin([](const OriginRequest& r) -> std::string {
    if (r.connection == 1 && r.head.find("/second") != std::string::npos) return "";
    return Origin::ok("ok")(r);
  });
  Gateway gateway(open_routes(origin));
  auto client = gateway.connect();
  CHECK(client->ask(get("/first")).status == 200);
  CHECK(client->ask(get("/second")).status == 200);
  CHECK(origin.connections() == 2);
}

TEST_CASE("a backend that breaks off in mid-answer: the client sees that") {
  Origin origin([](const OriginRequest&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") + Origin::close_mark;
  });
  Gateway gateway(open_routes(origin));
  const Response r = gateway.ask(get("/x"));
  CHECK(r.truncated);
  CHECK(gateway.log_line("\"path\":\"/x\"").find("ended_in_body") != std::string::npos);
}

TEST_CASE("TLS 1.2 and 1.3, nothing older, names, protocols, plain HTTP") {
  Origin origin;
  const std::string c = certificates().path();
  Gateway gateway(open_routes(origin), {},
                  {.edge_tls = "certificates: [ { cert: " + c + "/tls.crt, key: " + c +
                               "/tls.key }, { cert: " + c + "/other.crt, key: " + c + "/other.key } ]"});
  CHECK(gateway.connect()->version() == "TLSv1.3");
  CHECK(gateway.connect({.max_version = "1.2"})->version() == "TLSv1.2");
  CHECK_FALSE(gateway.connect({.max_version = "1.1"})->connected());
  CHECK(gateway.connect()->certificate_name() == "api.test");
  CHECK(gateway.connect({.server_name = "x.other.test"})->certificate_name() == "other.test");
  CHECK(gateway.connect({.server_name = "unknown.test"})->certificate_name() == "api.test");
  CHECK(gateway.connect({.alpn = "\x08http/1.1"})->connected());
  CHECK(gateway.connect({.alpn = "\x08http/1.0"})->ask(get("/x")).status == 200);
  CHECK(gateway.connect({.alpn = "\x08http/1.0\x08http/1.1"})->ask(get("/x")).status == 200);
  CHECK_FALSE(gateway.connect({.alpn = "\x03xyz"})->connected());
  Client plain(gateway.port(), {.tls = false});
  plain.send(get("/x"));
  plain.read_some();
  CHECK(
      gateway.has_metric(R"(sallyport_tls_handshake_failures_total{listener="edge",reason="plain_http"} 1)"));
  CHECK(gateway.has_metric(
      R"(sallyport_tls_handshake_failures_total{listener="edge",reason="unsupported_version"} 1)"));
  CHECK(gateway.has_metric(
      R"(sallyport_tls_handshake_failures_total{listener="edge",reason="no_shared_protocol"} 1)"));
}

TEST_CASE("a session resumes by its ticket") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  for (const std::string version : {"1.2", "1.3"}) {
    CAPTURE(version);
    auto first = gateway.connect({.max_version = version});
    CHECK(first->ask(get("/x")).status == 200);
    CHECK_FALSE(first->resumed());
    auto second = gateway.connect({.max_version = version, .session = first->session()});
    CHECK(second->resumed());
    CHECK(second->ask(get("/x")).status == 200);
  }
}

TEST_CASE("client certificates, required") {
  Origin origin;
  const std::string c = certificates().path();
  Gateway gateway(
      open_routes(origin), {},
      {.edge_tls = "certificates: [ { cert: " + c + "/tls.crt, key: " + c +
                   "/tls.key } ], client_certificates: { ca: " + c + "/ca.crt, mode: required }"});
  CHECK(gateway.connect()->ask(get("/x")).status == 0);
  CHECK(gateway.connect({.cert = c + "/client.crt", .key = c + "/client.key"})->ask(get("/x")).status == 200);
  CHECK(gateway.connect({.cert = c + "/other.crt", .key = c + "/other.key"})->ask(get("/x")).status == 0);
  CHECK(gateway.has_metric(
      R"(sallyport_tls_handshake_failures_total{listener="edge",reason="no_client_certificate"} 1)"));
}

TEST_CASE("a client that does not finish its handshake is cut, and one that is idle") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  Client silent(gateway.port(), {.tls = false});
  auto idle = gateway.connect();
  CHECK(idle->ask(get("/x")).status == 200);
  gateway.advance(11s);
  CHECK(silent.at_end());
  gateway.advance(61s);
  CHECK(idle->at_end());
}

TEST_CASE("a client that was answered before its content was there is let go when it stays away") {
  Gateway gateway(
      "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n");
  auto client = gateway.connect();
  CHECK(client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc"));
  CHECK(client->read().status == 200);
  gateway.advance(2s);
  CHECK(client->at_end());
  CHECK(client->ended_in_order());
}

TEST_CASE("plaintext and redirect listeners") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  Client plain(gateway.port("mesh"), {.tls = false});
  CHECK(plain.ask(get("/x")).status == 200);
  CHECK(origin.last().has("X-Forwarded-Proto: http"));
  Client redirected(gateway.port("redirect"), {.tls = false});
  const Response r = redirected.ask(get("/a/b?c"));
  CHECK(r.status == 308);
  CHECK(r.header("location") == "https://api.test/a/b?c");
}

TEST_CASE("whoever came by a port is redirected to the port of TLS, others to where https is") {
  Origin origin;
  Gateway gateway(open_routes(origin));
  const auto location = [&](const std::string& host) {
    Client client(gateway.port("redirect"), {.tls = false});
    return client.ask("GET /a?b HTTP/1.1\r\nHost: " + host + "\r\n\r\n").header("location");
  };
  const std::string port = ":" + std::to_string(gateway.port());
  CHECK(location("api.test:8080") == "https://api.test" + port + "/a?b");
  CHECK(location("[::1]:8080") == "https://[::1]" + port + "/a?b");
  CHECK(location("api.test") == "https://api.test/a?b");
  CHECK(location("api.test:80") == "https://api.test/a?b");  // the same, written out
}

TEST_CASE("one connection more than allowed is closed at once, and counted") {
  Origin origin;
  Gateway gateway("http: { connections: 1 }\n" + open_routes(origin));
  auto first = gateway.connect();
  CHECK(first->ask(get("/x")).status == 200);
  CHECK_FALSE(gateway.connect()->connected());
  CHECK(gateway.has_metric(R"(sallyport_connections_refused_total{listener="edge",reason="connections"} 1)"));
  CHECK(first->ask(get("/x")).status == 200);
}
