// Names: of backends, stores and issuers, with a DNS server that is scripted: one that is not answered is
// nobody else's matter.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_dns.h"
#include "tests/support/gateway.h"
#include "tests/support/origin.h"
#include "tests/support/tcp_server.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

// A look-up that is not answered is eight queries, four for each family, over 7.5 s, and one of a name begins
// when the one before is over: of a story on a slow machine, two.
constexpr size_t queries_most = 16;

// Silent about silent.test, has 127.0.0.1 for all else.
std::vector<std::string> silent_about_one(const FakeDns::Query& q) {
  return q.name == "silent.test" ? FakeDns::silence() : FakeDns::addresses(q, {"127.0.0.1"});
}

std::string dns(const FakeDns& server) { return "dns: { servers: [\"" + server.server() + "\"] }\n"; }

std::string upstream(const std::string& name, const std::string& host, int port,
                     const std::string& more = "") {
  return "  " + name + ": { targets: [\"http://" + host + ":" + std::to_string(port) + "\"]" + more + " }\n";
}

std::string route(const std::string& name, const std::string& more = "authenticate: public") {
  return "  - { name: " + name + ", match: { path: /" + name + " }, " + more + ", forward: { to: " + name +
         " } }\n";
}

std::string h2_frame(size_t length, int type, int flags, const std::string& stream) {
  return std::string{0, static_cast<char>(length >> 8), static_cast<char>(length), static_cast<char>(type),
                     static_cast<char>(flags)} +
         stream;
}

// The least of an HTTP/2 backend: 200 for each request once it has ended, or REFUSED_STREAM.
void serve_h2(int fd, std::atomic<int>& answered, bool serves = true) {
  enum { headers = 1, reset = 3, settings = 4, ping = 6, ends = 1, whole_head = 4 };
  const std::string all(4, '\0');
  Received input(fd);
  if (!input.exactly(24) || !send_all(fd, h2_frame(0, settings, 0, all))) return;
  while (const auto head = input.exactly(9)) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>((*head)[i]); };
    const auto content = input.exactly(at(1) * 256u + at(2));
    if (!content) return;
    const int type = at(3);
    const bool flagged = (at(4) & 1) != 0;  // the end of a stream, or an acknowledgement
    if (type <= headers && flagged) {
      ++answered;
      const std::string id = head->substr(5);
      send_all(fd, serves ? h2_frame(1, headers, ends | whole_head, id) + "\x88"  // :status 200
                          : h2_frame(4, reset, 0, id) + std::string("\0\0\0\x07", 4));
    } else if ((type == settings || type == ping) && !flagged) {
      send_all(fd, h2_frame(type == ping ? 8 : 0, type, 1, all) + (type == ping ? *content : ""));
    }
  }
}

// A name whose DNS server says another address once it has moved, and a backend at each, on the same port.
struct Moving {
  explicit Moving(uint32_t ttl = 60)
      : server([this, ttl](const FakeDns::Query& q) {
          if (lost) return FakeDns::silence();
          return FakeDns::addresses(q, {moved ? "127.0.0.2" : "127.0.0.1"}, ttl);
        }),
        gateway(dns(server) + "upstreams:\n" + upstream("b", "good.test", before->port()) + "routes:\n" +
                route("b")) {}

  bool asks_new() { return gateway.ask(get("/b")).status == 200 && !after.requests().empty(); }

  std::atomic<bool> moved{false}, lost{false};
  FakeDns server;
  std::unique_ptr<Origin> before = std::make_unique<Origin>();
  Origin after{Origin::ok("ok"), {}, {"127.0.0.2", before->port()}};
  Gateway gateway;
};

constexpr const char* idle = R"(sallyport_upstream_connections{state="idle",upstream="b"} )";
constexpr const char* half = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab";

bool first_goes_to_new(std::chrono::seconds pause) {
  Moving s(5);
  CHECK(s.gateway.ask(get("/b")).status == 200);
  s.moved = true;
  s.gateway.advance(pause);
  CHECK(s.gateway.ask(get("/b")).status == 200);
  return s.before->requests().size() == 1 && s.after.requests().size() == 1 &&
         s.gateway.has_metric(idle + std::string("1"));
}

// Says so first: no request is sent over a connection that ends.
std::string closing(const OriginRequest&) {
  return std::string("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok") +
         Origin::close_mark;
}

}  // namespace

TEST_CASE("requests to a name that is not answered hold up no other name, nor the end of the process") {
  FakeDns server(silent_about_one);
  Origin origin;
  Gateway gateway(dns(server) + "upstreams:\n" + upstream("a", "silent.test", 80, ", connect_timeout: 60s") +
                  upstream("b", "good.test", origin.port()) + "routes:\n" + route("a") + route("b"));
  std::vector<std::unique_ptr<Client>> hanging;
  for (int i = 0; i < 20; ++i) {
    hanging.push_back(gateway.connect());
    CHECK(hanging.back()->send(get("/a")));
  }
  CHECK(eventually([&] { return server.count("silent.test") >= 2; }));
  CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(origin.last().has("Host: good.test:" + std::to_string(origin.port())));
  CHECK(server.count("good.test") == 2);  // A and AAAA
  hanging.clear();
  CHECK(gateway.stop() == 0);
  CHECK(server.count("silent.test") <= queries_most);
}

TEST_CASE("a store whose name is not answered holds up no other name, nor the end of the process") {
  FakeDns server(silent_about_one);
  Origin origin;
  Gateway gateway(dns(server) +
                  "stores: { shared: { url: \"redis://silent.test:6379\" } }\n"
                  "limits: { few: { rate: 60/1h, by: route, store: shared, when_store_fails: allow } }\n"
                  "upstreams:\n" +
                  upstream("b", "good.test", origin.port()) + "routes:\n" +
                  route("b", "authenticate: public, limit: [few]"));
  CHECK(eventually([&] { return server.count("silent.test") >= 2; }));
  CHECK(gateway.ask(get("/b")).status == 200);
  for (int i = 0; i < 5; ++i) gateway.advance(10s);  // it tries again and again, and asks no more
  CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(gateway.told("store_lost store=shared reason=name_timeout"));
  CHECK(gateway.stop() == 0);
  CHECK(server.count("silent.test") <= queries_most);
}

TEST_CASE("an issuer whose name is not answered holds up no other name, nor the end of the process") {
  FakeDns server(silent_about_one);
  Origin origin;
  Gateway gateway(
      dns(server) +
      "authenticators:\n  idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: "
      "[ES256], jwks: { url: \"http://silent.test/jwks?code=hidden\" } }\nupstreams:\n" +
      upstream("a", "good.test", origin.port()) + upstream("b", "good.test", origin.port()) + "routes:\n" +
      route("a", "authenticate: { any_of: [idp] }") + route("b"));
  CHECK(eventually([&] { return server.count("silent.test") >= 2; }));
  CHECK(gateway.ask(get("/b")).status == 200);
  gateway.advance(6s);
  CHECK(gateway.told("fetch_failed url=http://silent.test/jwks reason=name_timeout"));
  CHECK(gateway.errors().find("hidden") == std::string::npos);
  CHECK(gateway.stop() == 0);
  CHECK(server.count("silent.test") <= queries_most);
}

TEST_CASE("the addresses of a name stay in use while it cannot be looked up; its TTL says when it is") {
  std::atomic<bool> lost{false};
  FakeDns server([&](const FakeDns::Query& q) {
    return lost ? FakeDns::code(q, 3) : FakeDns::addresses(q, {"127.0.0.1"}, 5);
  });
  Origin origin(closing);  // a connection for each request
  Gateway gateway(dns(server) + "upstreams:\n" + upstream("b", "good.test.", origin.port()) + "routes:\n" +
                  route("b"));
  for (int i = 0; i < 3; ++i) CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(server.count() == 2);
  lost = true;
  gateway.advance(6s);
  CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(gateway.told("upstream_name_lost upstream=b"));
  CHECK(server.count() == 4);
  for (int i = 0; i < 3; ++i) {
    gateway.advance(31s);
    CHECK(gateway.ask(get("/b")).status == 200);
    CHECK(eventually([&] { return server.count() == 6 + 2 * static_cast<size_t>(i); }));
    CHECK(gateway.ask(get("/b")).status == 200);  // by then the gateway has seen the answer
  }
  const std::string errors = gateway.errors();
  CHECK(errors.find("upstream_name_lost") == errors.rfind("upstream_name_lost"));
}

TEST_CASE("where one address of a name refuses, its others are tried") {
  FakeDns server([](const FakeDns::Query& q) {
    return FakeDns::addresses(q, {"127.0.0.2", "127.0.0.1", "127.0.0.3", "::1"});
  });
  Origin origin(closing);  // on 127.0.0.1 only
  Gateway gateway(dns(server) + "upstreams:\n" + upstream("b", "good.test", origin.port()) + "routes:\n" +
                  route("b"));
  for (int i = 0; i < 8; ++i) CHECK(gateway.ask(post("/b", "{}")).status == 200);
  CHECK(gateway.errors().find("upstream_failed") == std::string::npos);
}

TEST_CASE("a reload takes other DNS servers, and what the old ones have said is forgotten") {
  FakeDns ignorant([](const FakeDns::Query& q) { return FakeDns::code(q, 3); });
  FakeDns server(silent_about_one);
  Origin origin;
  const std::string rest =
      "upstreams:\n" + upstream("b", "good.test", origin.port()) + "routes:\n" + route("b");
  Gateway gateway(dns(ignorant) + rest);
  CHECK(gateway.ask(get("/b")).status == 503);
  CHECK(gateway.log_line("name_not_resolved") != "");
  gateway.rewrite_config(dns(server) + rest);
  gateway.reload();
  CHECK(gateway.told("config_reloaded"));
  CHECK(eventually([&] { return gateway.ask(get("/b")).status == 200; }));
}

TEST_CASE("a name whose connection is always in use is looked up, and the connection to where it was goes") {
  Moving s(5);
  for (int i = 0; i < 3; ++i) CHECK(s.gateway.ask(get("/b")).status == 200);
  auto upload = s.gateway.connect();
  CHECK(upload->send(half));
  CHECK(eventually([&] { return s.gateway.has_metric(idle + std::string("0")); }));
  CHECK(s.gateway.ask(get("/b")).status == 200);
  CHECK(s.before->connections() == 2);
  s.moved = true;
  s.gateway.advance(6s);
  CHECK(eventually([&] { return s.asks_new(); }));
  const size_t asked = s.before->requests().size();
  CHECK(upload->send("cd"));
  CHECK(upload->read().status == 200);  // where it has begun
  for (int i = 0; i < 3; ++i) CHECK(s.gateway.ask(get("/b")).status == 200);
  CHECK(s.before->requests().size() == asked + 1);
  CHECK(s.after.connections() == 1);
  CHECK(s.gateway.has_metric(idle + std::string("1")));
}

TEST_CASE("an HTTP/2 connection to where a name was takes no more requests, and ends with its last") {
  std::atomic<bool> moved{false};
  std::atomic<int> before{0}, after{0};
  TcpServer old([&](int fd, int) { serve_h2(fd, before); });
  TcpServer now([&](int fd, int) { serve_h2(fd, after); }, {"127.0.0.2", old.port()});
  FakeDns server(
      [&](const FakeDns::Query& q) { return FakeDns::addresses(q, {moved ? "127.0.0.2" : "127.0.0.1"}, 5); });
  Gateway gateway(dns(server) + "upstreams: { b: { targets: [\"h2c://good.test:" +
                  std::to_string(old.port()) + "\"] } }\nroutes:\n" + route("b"));
  CHECK(gateway.ask(get("/b")).status == 200);
  auto upload = gateway.connect();
  CHECK(upload->send(half));
  CHECK(eventually([&] { return gateway.has_metric(idle + std::string("0")); }));
  moved = true;
  gateway.advance(6s);
  CHECK(eventually([&] { return gateway.ask(get("/b")).status == 200 && after > 0; }));
  const int asked = before;
  for (int i = 0; i < 3; ++i) CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(before == asked);
  CHECK(upload->send("cd"));
  CHECK(upload->read().status == 200);
  CHECK(before == asked + 1);
  CHECK(old.connections() == 1);
  CHECK(now.connections() == 1);
  CHECK(eventually([&] { return gateway.has_metric(idle + std::string("1")); }));
}

TEST_CASE("each address of a name gets its share, however few the requests are, but for one that refuses") {
  FakeDns server(
      [](const FakeDns::Query& q) { return FakeDns::addresses(q, {"127.0.0.1", "127.0.0.2", "127.0.0.3"}); });
  Origin first(Origin::ok("ok"));
  Origin second(Origin::ok("ok"), {}, {"127.0.0.2", first.port()});
  Gateway gateway(dns(server) + "upstreams:\n" + upstream("b", "good.test", first.port()) + "routes:\n" +
                  route("b"));
  for (int i = 0; i < 20; ++i) CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(first.requests().size() + second.requests().size() == 20);
  CHECK(second.requests().size() >= 9);
  CHECK(second.requests().size() <= 11);
  CHECK(first.connections() <= 2);  // one of them instead of one to the address that refuses
}

TEST_CASE("requests that connect at the same time are each tried at all addresses of a name") {
  for (const bool accepts : {false, true}) {
    CAPTURE(accepts);
    FakeDns server([](const FakeDns::Query& q) { return FakeDns::addresses(q, {"127.0.0.2", "127.0.0.1"}); });
    Origin good(closing);
    std::unique_ptr<Origin> bad;  // takes connections, and ends them without an answer
    if (accepts)
      bad = std::make_unique<Origin>([](const OriginRequest&) { return std::string(); }, Origin::Answer{},
                                     Place{"127.0.0.2", good.port()});
    Gateway gateway(dns(server) + "upstreams:\n" + upstream("b", "good.test", good.port()) + "routes:\n" +
                    route("b"));
    for (int round = 0; round < 10; ++round) {
      std::vector<std::unique_ptr<Client>> clients;
      for (int i = 0; i < 8; ++i) clients.push_back(gateway.connect());
      for (auto& client : clients) client->send(get("/b"));
      for (auto& client : clients) CHECK(client->read().status == 200);
    }
    if (bad != nullptr) CHECK(bad->requests().size() <= 16);
  }
}

TEST_CASE(
    "over HTTP/2, an address that refuses whatever it is asked does not draw requests from its siblings") {
  for (const char* most : {"1024", "1"}) {
    CAPTURE(most);
    std::atomic<int> refused{0}, answered{0};
    TcpServer good([&](int fd, int) { serve_h2(fd, answered); });
    TcpServer bad([&](int fd, int) { serve_h2(fd, refused, false); }, {"127.0.0.2", good.port()});
    FakeDns server([](const FakeDns::Query& q) { return FakeDns::addresses(q, {"127.0.0.2", "127.0.0.1"}); });
    Gateway gateway(dns(server) + "upstreams: { b: { connections_max: " + most +
                    ", targets: [\"h2c://good.test:" + std::to_string(good.port()) + "\"] } }\nroutes:\n" +
                    route("b"));
    CHECK(eventually([&] { return gateway.ask(get("/b")).status == 200; }));
    for (int i = 0; i < 60; ++i) CHECK(gateway.ask(get("/b")).status == 200);
    CHECK(refused < 20);
  }
}

TEST_CASE("an address that is silent in HTTP/2 costs nobody a request where others are good") {
  std::atomic<int> answered{0};
  TcpServer good([&](int fd, int) { serve_h2(fd, answered); });
  TcpServer silent([](int fd, int) { Received(fd).until("never"); }, {"127.0.0.2", good.port()});
  FakeDns server([](const FakeDns::Query& q) { return FakeDns::addresses(q, {"127.0.0.2", "127.0.0.1"}); });
  Gateway gateway(dns(server) + "upstreams: { b: { targets: [\"h2c://good.test:" +
                  std::to_string(good.port()) + "\"] } }\nroutes:\n" + route("b"));
  for (int i = 0; i < 5; ++i) CHECK(gateway.ask(get("/b")).status == 200);
  CHECK(answered == 5);
}

TEST_CASE("a name that moves while its HTTP/2 connection is being opened costs nobody a request") {
  std::atomic<bool> moved{false}, speaks{false};
  std::atomic<int> before{0}, after{0};
  TcpServer old([&](int fd, int) {
    if (eventually([&] { return speaks.load(); })) serve_h2(fd, before);
  });
  TcpServer now([&](int fd, int) { serve_h2(fd, after); }, {"127.0.0.2", old.port()});
  FakeDns server(
      [&](const FakeDns::Query& q) { return FakeDns::addresses(q, {moved ? "127.0.0.2" : "127.0.0.1"}, 5); });
  Gateway gateway(dns(server) + "upstreams: { b: { connect_timeout: 60s, targets: [\"h2c://good.test:" +
                  std::to_string(old.port()) + "\"] } }\nroutes:\n" + route("b"));
  auto opens = gateway.connect(), waits = gateway.connect();
  CHECK(opens->send(get("/b")));
  CHECK(eventually([&] { return old.connections() == 1; }));
  moved = true;
  gateway.advance(6s);
  const size_t asked = server.count();
  CHECK(waits->send(get("/b")));
  CHECK(eventually([&] { return server.count() >= asked + 2; }));
  CHECK(gateway.ask(get("/nowhere")).status == 404);
  speaks = true;
  CHECK(opens->read().status == 200);
  CHECK(waits->read().status == 200);
  CHECK(gateway.errors().find("upstream_failed") == std::string::npos);
}

TEST_CASE("over HTTP/2, too, each address of a name gets its share of the requests") {
  std::array<std::atomic<int>, 3> answered{};
  TcpServer first([&](int fd, int) { serve_h2(fd, answered[0]); });
  TcpServer second([&](int fd, int) { serve_h2(fd, answered[1]); }, {"127.0.0.2", first.port()});
  TcpServer third([&](int fd, int) { serve_h2(fd, answered[2]); }, {"127.0.0.3", first.port()});
  FakeDns server([](const FakeDns::Query& q) {  // and one where nobody is
    return FakeDns::addresses(q, {"127.0.0.1", "127.0.0.4", "127.0.0.2", "127.0.0.3"});
  });
  Gateway gateway(dns(server) + "upstreams: { b: { targets: [\"h2c://good.test:" +
                  std::to_string(first.port()) + "\"] } }\nroutes:\n" + route("b"));
  const auto least = [&] { return std::min({answered[0].load(), answered[1].load(), answered[2].load()}); };
  CHECK(eventually([&] { return gateway.ask(get("/b")).status == 200 && least() > 0; }));
  const std::array<int, 3> before{answered[0], answered[1], answered[2]};
  for (int i = 0; i < 30; ++i) CHECK(gateway.ask(get("/b")).status == 200);
  for (size_t i = 0; i < 3; ++i) CHECK(answered[i] == before[i] + 10);
  CHECK(first.connections() == 1);
  CHECK(gateway.errors().find("upstream_failed") == std::string::npos);
}

TEST_CASE("after a pause the first request goes to where the name is now, also if a connection was kept") {
  // It waits for a moment only: on a busy machine the DNS server's thread may need another attempt.
  CHECK(eventually([] { return first_goes_to_new(20s); }));
  CHECK(eventually([] { return first_goes_to_new(2h); }));
}

TEST_CASE("where DNS is silent, kept connections and addresses stay in use, and each pause asks it once") {
  Moving s;
  CHECK(s.gateway.ask(get("/b")).status == 200);
  s.lost = true;
  for (const auto pause : {std::chrono::seconds(31), std::chrono::seconds(7200)}) {
    s.gateway.advance(pause);
    for (int i = 0; i < 5; ++i) CHECK(s.gateway.ask(get("/b")).status == 200);
    CHECK(s.gateway.ask(post("/b", "{}")).status == 200);
  }
  CHECK(s.before->connections() == 2);  // the first was too old after the long pause
  CHECK(s.server.count() <= 2 + queries_most);
  CHECK(s.gateway.stop() == 0);
}

TEST_CASE("where the old address refuses, a request waits for the look-up that is under way") {
  Moving s;
  CHECK(s.gateway.ask(get("/b")).status == 200);
  s.before.reset();
  s.moved = true;
  s.gateway.advance(31s);
  CHECK(s.gateway.ask(post("/b", "{}")).status == 200);
  CHECK(s.after.requests().size() == 1);
  CHECK(s.gateway.errors().find("upstream_failed") == std::string::npos);
}
