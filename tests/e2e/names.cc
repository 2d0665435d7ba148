// Names: of backends, stores and issuers, with a DNS server that is scripted: one that is not answered is
// nobody else's matter.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_dns.h"
#include "tests/support/gateway.h"
#include "tests/support/origin.h"

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
      "[ES256], jwks: { url: \"http://silent.test/jwks\" } }\nupstreams:\n" +
      upstream("a", "good.test", origin.port()) + upstream("b", "good.test", origin.port()) + "routes:\n" +
      route("a", "authenticate: { any_of: [idp] }") + route("b"));
  CHECK(eventually([&] { return server.count("silent.test") >= 2; }));
  CHECK(gateway.ask(get("/b")).status == 200);
  gateway.advance(6s);
  CHECK(gateway.told("fetch_failed url=http://silent.test/jwks reason=name_timeout"));
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
