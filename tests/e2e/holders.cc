// Who holds a connection to a backend, and who has to let it go: clients that send nothing, too little, or
// that have left.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string forwarding(const Origin& origin, const std::string& upstream, const std::string& forward = "") {
  return "upstreams:\n  web: { targets: [\"" + origin.target() + "\"], " + upstream + " }\n" + R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web)" +
         forward + " } }\n";
}

std::string head_of_post(const std::string& path, const std::string& headers = "Content-Length: 100\r\n") {
  return "POST " + path + " HTTP/1.1\r\nHost: api.test\r\n" + headers + "\r\n";
}

std::string active(int connections) {
  return "sallyport_upstream_connections{state=\"active\",upstream=\"web\"} " + std::to_string(connections);
}

// Begins to answer /early before it has the request's content, and then waits for it.
std::string early(const OriginRequest& r) {
  if (r.head.find("/early") == std::string::npos) return "";
  return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
}

// Answers /slow once it is let go, and what else there is at once.
struct SlowOrigin {
  std::atomic<bool> let_go{false};
  std::atomic<int> inside{0};
  Origin origin{[this](const OriginRequest& r) {
    if (r.head.find("/slow") == std::string::npos) return Origin::ok("fast")(r);
    ++inside;
    eventually([&] { return let_go.load(); });
    return Origin::ok("slow")(r);
  }};
};

}  // namespace

TEST_CASE("content that does not come holds no connection to the backend") {
  Origin origin;
  Gateway gateway(forwarding(origin, "connections_max: 1"));
  auto counted = gateway.connect(), chunked = gateway.connect(), expects = gateway.connect();
  counted->send(head_of_post("/counted"));
  chunked->send(head_of_post("/chunked", "Transfer-Encoding: chunked\r\n"));
  expects->send(head_of_post("/expects", "Content-Length: 3\r\nExpect: 100-continue\r\n"));
  CHECK(expects->read().status == 100);  // it is asked for its content all the same
  CHECK(gateway.ask(get("/other")).status == 200);
  CHECK(origin.requests().size() == 1);
  chunked->send("3\r\nabc\r\n");
  CHECK(eventually([&] { return gateway.has_metric(active(1)); }));
  chunked->send("2\r\nde\r\n0\r\n\r\n");
  CHECK(chunked->read().status == 200);
  CHECK(origin.last().body == "abcde");
  expects->send("xyz");
  CHECK(expects->read().status == 200);
  CHECK(origin.last().body == "xyz");
  gateway.advance(31s);
  const Response late = counted->read();
  CHECK(late.status == 408);
  CHECK(late.header("connection") == "close");
  CHECK(gateway.log_line("\"path\":\"/counted\"", "\"upstream\":\"web\"").find("body_timeout") !=
        std::string::npos);
  CHECK(origin.connections() == 1);
}

TEST_CASE(
    "where all connections are in use, a client that sends too slowly gives its own to one that waits") {
  Origin origin;
  Gateway gateway(forwarding(origin, "connections_max: 2, connect_timeout: 10s"));
  auto slow = gateway.connect(), slower = gateway.connect(), waits = gateway.connect();
  slower->send(head_of_post("/slower") + "a piece");
  CHECK(gateway.has_metric(active(1)));
  gateway.advance(300ms);
  slow->send(head_of_post("/slow", "Transfer-Encoding: chunked\r\n") + "5\r\npiece\r\n");
  CHECK(gateway.has_metric(active(2)));
  waits->send(get("/waits"));
  gateway.advance(300ms);
  CHECK(waits->read().status == 200);
  const Response gone = slower->read();
  CHECK(gone.status == 408);
  CHECK(gone.header("connection") == "close");
  CHECK(gateway.log_line("\"path\":\"/slower\"").find("\"reason\":\"slow_sender\"") != std::string::npos);
  slow->send("0\r\n\r\n");  // it was the other's turn
  CHECK(slow->read().status == 200);
  CHECK(
      gateway.told("upstream_connection_gives_way upstream=web in_use=2 wait_for_content=2 "
                   "wait_for_backend=0 wait_for_reader=0"));
  CHECK(gateway.told("most_held_by=127.0.0.1 most_held=2"));
  CHECK(gateway.has_metric(active(0)));
}

TEST_CASE("of the clients that send too slowly, an address that holds the most connections gives way first") {
  const auto check = [](const std::string& one_of_many, const std::string& other_of_many) {
    Origin origin;
    Gateway gateway("http: { trusted_proxies: [127.0.0.1] }\n" +
                    forwarding(origin, "connections_max: 3, connect_timeout: 10s"));
    const auto slow = [&](const std::string& path, const std::string& address) {
      auto client = gateway.connect();
      client->send(head_of_post(path, "Content-Length: 10\r\nX-Forwarded-For: " + address + "\r\n") +
                   "piece");
      return client;
    };
    auto alone = slow("/alone", "192.0.2.1");
    CHECK(gateway.has_metric(active(1)));
    gateway.advance(100ms);
    auto older = slow("/older", one_of_many);
    CHECK(gateway.has_metric(active(2)));
    gateway.advance(100ms);
    auto younger = slow("/younger", other_of_many);
    CHECK(gateway.has_metric(active(3)));
    gateway.advance(600ms);
    auto waits = gateway.connect();
    CHECK(waits->ask(get("/waits")).status == 200);
    CHECK(older->read().status == 408);
    CHECK(alone->ask("piece").status == 200);
    CHECK(younger->ask("piece").status == 200);
  };
  check("198.51.100.7", "198.51.100.7");
  check("2001:db8::1", "2001:db8::2");  // one /64
}

TEST_CASE("who waits for a connection is served client by client, however many of one client wait") {
  SlowOrigin slow;
  Gateway gateway("http: { trusted_proxies: [127.0.0.1] }\n" +
                  forwarding(slow.origin, "connections_max: 1, connect_timeout: 1h"));
  std::vector<std::unique_ptr<Client>> all;
  const auto ask = [&](const std::string& path, const std::string& address) {
    all.push_back(gateway.connect());
    all.back()->send(get(path, "X-Forwarded-For: " + address + "\r\n"));
    CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // behind it: it has been read
  };
  ask("/slow", "192.0.2.1");
  CHECK(eventually([&] { return slow.inside == 1; }));
  for (int i = 0; i < 10; ++i) ask("/many", i % 2 == 0 ? "2001:db8::1" : "2001:db8::2");  // one /64
  ask("/other", "192.0.2.2");
  ask("/third", "192.0.2.3");
  slow.let_go = true;
  for (auto& client : all) CHECK(client->read().status == 200);
  const auto requests = slow.origin.requests();
  REQUIRE(requests.size() == 13);
  CHECK(requests[1].head.starts_with("GET /many"));
  CHECK(requests[2].head.starts_with("GET /other"));
  CHECK(requests[3].head.starts_with("GET /third"));
  CHECK(requests[4].head.starts_with("GET /many"));
}

namespace {

// A backend of HTTP/2, which takes one request at a time on a connection, in front of an origin.
struct H2Backend {
  Origin origin;
  Gateway gateway{"http: { streams: 1 }\n" + forwarding(origin, "connections_max: 100")};
  std::string target() const { return "h2c://127.0.0.1:" + std::to_string(gateway.port("mesh")); }
};

std::string in_front_of(const std::string& targets, int connections = 1) {
  return "http: { trusted_proxies: [127.0.0.1] }\nupstreams:\n  web: { targets: [" + targets +
         "], connections_max: " + std::to_string(connections) +
         ", connect_timeout: 1h }\nroutes:\n  - { name: all, match: { path: "
         "\"/{rest...}\" }, "
         "authenticate: public, forward: { to: web } }\n";
}

}  // namespace

TEST_CASE("who waits for a stream is served client by client, also where it has looked again meanwhile") {
  H2Backend backend;
  Gateway gateway(in_front_of("\"" + backend.target() + "\""));
  std::vector<std::unique_ptr<Client>> many;
  const auto post_slowly = [&] {
    many.push_back(gateway.connect());
    many.back()->send(head_of_post("/many", "Content-Length: 9\r\nX-Forwarded-For: 192.0.2.1\r\n") + "x");
    CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // behind it: it has been read
  };
  for (int i = 0; i < 8; ++i) post_slowly();
  auto other = gateway.connect();
  other->send(get("/other", "X-Forwarded-For: 192.0.2.2\r\n"));
  CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);
  for (size_t given_up = 1; given_up <= 2; ++given_up) {
    gateway.advance(600ms);
    CHECK(many[given_up - 1]->read().status == 408);
    CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // by now the next has the stream
  }
  CHECK(other->read().status == 200);
}

TEST_CASE("a connection that nobody uses makes room for one of another kind, or to another target") {
  SlowOrigin slow;
  H2Backend one, other;
  for (const std::string& targets : {"\"" + slow.origin.target() + "\", \"" + one.target() + "\"",
                                     "\"" + one.target() + "\", \"" + other.target() + "\""}) {
    Gateway gateway(in_front_of(targets));
    std::vector<std::unique_ptr<Client>> all;
    for (int i = 0; i < 12; ++i) {
      all.push_back(gateway.connect());
      all.back()->send(get("/x"));
    }
    for (auto& client : all) CHECK(client->read().status == 200);
  }
}

TEST_CASE(
    "an HTTP/2 target always has a connection, those of HTTP/1.1 one together, whoever holds the others") {
  Origin http1;
  H2Backend one, other;
  const std::string h2 = "\"" + one.target() + "\"", h1 = "\"" + http1.target() + "\"";
  for (const std::string& targets : {h2 + ", " + h1, h1 + ", " + h2, h2 + ", \"" + other.target() + "\""}) {
    CAPTURE(targets);
    Gateway gateway(in_front_of(targets, 2));
    std::vector<std::unique_ptr<Client>> many;
    for (int i = 0; i < 3; ++i) {  // to the first of the targets
      many.push_back(gateway.connect());
      many.back()->send(head_of_post("/many") + "x");
      CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // behind it: it has been read
      // Nor does one that nobody uses go for others, who could not have its place.
      if (i > 0) CHECK(one.gateway.has_metric(R"(sallyport_connections{listener="mesh"} 1)"));
      CHECK(gateway.ask(get("/x")).status == 200);  // from the second
    }
  }
}

TEST_CASE("whose turn falls on a target that has to be waited for gets another one") {
  SlowOrigin slow;
  H2Backend other;
  Gateway gateway(in_front_of("\"" + slow.origin.target() + "\", \"" + other.target() + "\"", 2));
  auto held = gateway.connect();
  held->send(get("/slow"));
  CHECK(eventually([&] { return slow.inside == 1; }));
  for (int i = 0; i < 6; ++i) CHECK(gateway.ask(get("/x")).status == 200);
  slow.let_go = true;
  CHECK(held->read().status == 200);
}

TEST_CASE("a trickle is no progress: what counts is how long the backend has been kept waiting in all") {
  Origin origin;
  Gateway gateway(forwarding(origin, "connections_max: 1, connect_timeout: 10s"));
  auto trickle = gateway.connect(), waits = gateway.connect();
  trickle->send(head_of_post("/trickle") + "x");
  CHECK(gateway.has_metric(active(1)));
  for (int i = 0; i < 3; ++i) {
    gateway.advance(200ms);
    trickle->send("x");
    CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);  // behind it: it has been read
  }
  CHECK(gateway.has_metric(active(1)));
  waits->send(get("/waits"));
  CHECK(waits->read().status == 200);
  CHECK(trickle->read().status == 408);
}

TEST_CASE("a request that finds all connections in use is refused, and the log tells who holds them") {
  SlowOrigin slow;
  Gateway gateway(forwarding(slow.origin, "connections_max: 2"));
  auto one = gateway.connect(), two = gateway.connect(), silent = gateway.connect(),
       third = gateway.connect();
  one->send(get("/slow"));
  two->send(get("/slow"));
  silent->send(head_of_post("/silent"));
  CHECK(eventually([&] { return slow.inside == 2; }));
  third->send(get("/third"));
  CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);
  gateway.advance(2s);
  CHECK(third->read().status == 503);
  CHECK(
      gateway.told("upstream_connections_full upstream=web in_use=2 wait_for_content=0 "
                   "wait_for_backend=2 wait_for_reader=0 tunnels=0 without_connection=1 "
                   "most_held_by=127.0.0.1 most_held=2"));
  slow.let_go = true;
  CHECK(one->read().status == 200);
  CHECK(two->read().status == 200);
}

TEST_CASE("a client that has ended its sending is gone: its backend is let go at once") {
  SlowOrigin slow;
  Gateway gateway(forwarding(slow.origin, "connections_max: 2"));
  auto by_tls = gateway.connect();
  Client plain(gateway.port("mesh"), {.tls = false});
  by_tls->send(get("/slow/tls"));
  plain.send(post("/slow/plain", "content"));
  CHECK(eventually([&] { return slow.inside == 2; }));
  by_tls->half_close();
  plain.half_close();
  CHECK(gateway.has_metric(active(0)));
  CHECK(by_tls->at_end());
  CHECK(plain.at_end());
  for (const char* path : {"/slow/tls", "/slow/plain"}) {
    const std::string line = gateway.log_line(std::string("\"path\":\"") + path + "\"");
    CHECK(line.find("\"status\":") == std::string::npos);
    CHECK(line.find("\"reason\":\"client_gone\"") != std::string::npos);
  }
  auto at_once = gateway.connect();
  at_once->send(get("/slow/at/once"));
  at_once->half_close();
  CHECK(at_once->at_end());
  CHECK(gateway.ask(get("/fast")).status == 200);
  slow.let_go = true;
}

TEST_CASE("a client that ends its sending while content of the answer is waited for is gone as well") {
  Origin origin([](const OriginRequest&) {
    return std::string(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        "8\r\ndata: x\n\r\n");
  });
  Gateway gateway(forwarding(origin, "connections_max: 2"));
  auto client = gateway.connect();
  client->send(get("/events"));
  CHECK(client->read(true).status == 200);
  CHECK(client->read_some().find("data: x") != std::string::npos);
  client->half_close();
  CHECK(gateway.has_metric(active(0)));
  CHECK(gateway.log_line("\"path\":\"/events\"").find("\"reason\":\"client_gone\"") != std::string::npos);
}

TEST_CASE("a half-closed client is served where the route or http.abort_on_fin says so") {
  const auto check = [](const std::string& http, const std::string& forward, bool serves) {
    SlowOrigin slow;
    Gateway gateway(http + forwarding(slow.origin, "connections_max: 2", forward));
    auto client = gateway.connect();
    client->send(post("/slow", "content"));
    client->half_close();
    if (serves) slow.let_go = eventually([&] { return slow.inside == 1; });
    CHECK((client->read().body == "slow") == serves);
    slow.let_go = true;
  };
  check("", ", half_closed: serve", true);
  check("http: { abort_on_fin: false }\n", "", true);
  check("http: { abort_on_fin: false }\n", ", half_closed: abort", false);
  check("", "", false);
}

TEST_CASE("a client that withholds content gives way, also where the answer has begun") {
  Origin origin(Origin::ok("ok"), early);
  Gateway gateway(forwarding(origin, "connections_max: 1, connect_timeout: 10s"));
  auto silent = gateway.connect(), waits = gateway.connect();
  silent->send(head_of_post("/early") + "abc");
  CHECK(silent->read(true).status == 200);
  waits->send(get("/waits"));
  CHECK(gateway.ask(get("/nothing", "Expect: tea\r\n")).status == 417);
  gateway.advance(1s);
  CHECK(gateway.has_metric(active(1)));
  gateway.advance(1100ms);
  CHECK(waits->read().status == 200);
  CHECK(gateway.log_line("\"path\":\"/early\"").find("\"reason\":\"slow_sender\"") != std::string::npos);
}

TEST_CASE("where the answer has begun and the content fails, the backend is let go at once") {
  Origin origin(Origin::ok("ok"), early);
  Gateway gateway(forwarding(origin, "connections_max: 1"));
  const auto begun = [&](bool tls) {
    auto client = std::make_unique<Client>(gateway.port(tls ? "edge" : "mesh"), ClientOptions{.tls = tls});
    client->send(head_of_post("/early", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n");
    CHECK(client->read(true).status == 200);
    CHECK(gateway.has_metric(active(1)));
    return client;
  };
  for (const bool tls : {true, false}) {
    CAPTURE(tls);
    auto leaves = begun(tls);
    leaves->half_close();
    CHECK(gateway.has_metric(active(0)));
    auto breaks = begun(tls);
    breaks->reset();
    CHECK(gateway.has_metric(active(0)));
    auto faulty = begun(tls);
    faulty->send("no chunk\r\n");
    CHECK(gateway.has_metric(active(0)));
    CHECK(gateway.ask(get("/other")).status == 200);
  }
  CHECK(eventually([&] { return origin.requests().size() == 8; }));
  CHECK(origin.requests().front().body == Origin::broken_off);
}
