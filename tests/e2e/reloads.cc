// Reloads: what SIGHUP takes over, what it refuses, and that a refusal leaves nothing behind.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <future>
#include <map>

#include "tests/support/fake_redis.h"
#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string respond(const std::string& body) {
  return "routes:\n  - { name: only, match: { path: /x }, authenticate: public, respond: { status: 200, "
         "body: \"" +
         body + "\" } }\n";
}

std::string plain(const std::string& name, int port) {
  return "  - { name: " + name + ", address: \"127.0.0.1:" + std::to_string(port) + "\", plaintext: true }\n";
}

bool tells(const Gateway& gateway, const std::string& text) {
  return eventually([&] { return gateway.errors().find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("a reload that is refused closes what it had bound, and says so like any other problem") {
  Origin other;  // has a port
  Gateway gateway(respond("one"));
  const int port = free_port();
  gateway.rewrite_config(respond("two"), plain("extra", port) + plain("taken", other.port()));
  gateway.reload();
  CHECK(tells(gateway, "config_unchanged"));
  CHECK(gateway.told("gateway.yaml:8:5 problem=\"cannot listen on 127.0.0.1:"));
  CHECK_FALSE(Client(port, {.tls = false}).connected());
  CHECK(gateway.ask(get("/x")).body == "one");
}

TEST_CASE("a listener with another name keeps its port over a reload") {
  const int port = free_port();
  Gateway gateway(respond("one"), {}, {.more_listeners = plain("before", port)});
  gateway.rewrite_config(respond("two"), plain("behind", port));
  gateway.reload();
  CHECK(tells(gateway, "listening name=behind"));
  CHECK(eventually([&] { return Client(port, {.tls = false}).ask(get("/x")).body == "two"; }));
}

TEST_CASE("the number of workers cannot change: the reload is refused, and /config shows what is in force") {
  Gateway gateway(respond("one"));
  gateway.change("workers: 1", "workers: 2");
  CHECK(tells(gateway, "workers cannot change while the gateway runs"));
  CHECK(gateway.admin("/config").body.find("workers: 1\n") != std::string::npos);
}

TEST_CASE("the admin listener goes where a reload says, and away") {
  Gateway gateway(respond("one"));
  const int before = gateway.port("admin"), port = free_port();
  gateway.change("admin: { address: \"127.0.0.1:0\" }",
                 "admin: { address: \"127.0.0.1:" + std::to_string(port) + "\" }");
  CHECK(eventually([&] { return Client(port, {.tls = false}).ask(get("/healthz")).status == 200; }));
  CHECK(eventually([&] { return !Client(before, {.tls = false}).connected(); }));
  gateway.change("admin: { address: \"127.0.0.1:" + std::to_string(port) + "\" }", "");
  CHECK(eventually([&] { return !Client(port, {.tls = false}).connected(); }));
  CHECK(gateway.ask(get("/x")).body == "one");
}

TEST_CASE("the access log goes where a reload says; where it cannot be opened, the reload is refused") {
  Gateway gateway(respond("one"));
  const auto logged = [&](const std::string& file, const std::string& agent) {
    return eventually([&] {
      gateway.ask(get("/x", "User-Agent: " + agent + "\r\n"));
      return gateway.dir().read(file).find(agent) != std::string::npos;
    });
  };
  CHECK(logged("access.log", "first"));
  gateway.change("file:access.log", "file:other.log");
  CHECK(tells(gateway, "config_reloaded"));
  CHECK(logged("other.log", "second"));
  CHECK(gateway.dir().read("access.log").find("second") == std::string::npos);
  gateway.change("file:other.log", "file:none/x.log");
  CHECK(tells(gateway, "log.access.to: cannot open the access log"));
  CHECK(logged("other.log", "third"));
  CHECK(gateway.admin("/config").body.find("other.log") != std::string::npos);
}

TEST_CASE(
    "a log file that is moved away goes on in a new one after SIGHUP, also with a wrong config on disk, "
    "and after SIGUSR1") {
  Gateway gateway(respond("x"));
  gateway.dir().write("gateway.yaml", "nonsense: 1\n");
  for (const int signal : {SIGHUP, SIGUSR1}) {
    gateway.ask(get("/x"));
    CHECK(gateway.log_line("\"status\":200") != "");
    CHECK(std::rename(gateway.dir().path("access.log").c_str(), gateway.dir().path("old.log").c_str()) == 0);
    gateway.process().signal(signal);
    CHECK(eventually([&] {
      gateway.ask(get("/x"));
      return gateway.dir().read("access.log").find("\"status\":200") != std::string::npos;
    }));
  }
}

TEST_CASE("an authority that is taken from its file is not trusted after a reload, nor are its connections") {
  Gateway backend(respond("secret"));
  const auto authority = [](const TempDir& dir, const std::string& name) {
    dir.write("ca.pem", certificates().read(name));
  };
  Gateway gateway("upstreams: { web: { targets: [\"https://127.0.0.1:" + std::to_string(backend.port()) +
                      "\"], tls: { ca: ca.pem, server_name: api.test } } }\nroutes:\n"
                      "  - { name: x, match: { path: /x }, authenticate: public, forward: { to: web } }\n",
                  [&](const TempDir& dir) { authority(dir, "tls.crt"); });
  CHECK(gateway.ask(get("/x")).body == "secret");
  authority(gateway.dir(), "other.crt");
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 503; }));
  authority(gateway.dir(), "tls.crt");
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).body == "secret"; }));
}

TEST_CASE("a watched file that stays away is told once; when it is back, that is news as well") {
  const std::map<std::string, std::string> files = {{"keys.yaml", "version: 1\nkeys: []\n"},
                                                    {"jwks.json", Issuer().jwks()},
                                                    {"own.crt", certificates().read("tls.crt")}};
  Gateway gateway(
      "authenticators:\n  k: { type: api_key, file: keys.yaml }\n"
      "  j: { type: jwt, issuer: i, audiences: [a], algorithms: [ES256], jwks: { file: jwks.json } }\n" +
          respond("one"),
      [&](const TempDir& dir) {
        for (const auto& [name, content] : files) dir.write(name, content);
        dir.write("own.key", certificates().read("tls.key"));
      },
      {.edge_tls = "certificates: [ { cert: own.crt, key: own.key } ]"});
  const auto counted = [&](const std::string& result) {
    return eventually([&] {
      gateway.advance(1s);
      const std::string metrics = gateway.admin("/metrics").body;
      return std::ranges::all_of(std::array{"api_keys", "key_set", "certificate"}, [&](const char* kind) {
        return metrics.contains(std::string("sallyport_file_reloads_total{kind=\"") + kind + "\",result=\"" +
                                result + "\"} 1\n");
      });
    });
  };
  for (const auto& [name, content] : files) std::filesystem::remove(gateway.dir().path(name));
  CHECK(counted("failure"));
  for (const auto& [name, content] : files) CHECK(tells(gateway, name));
  CHECK(gateway.ask(get("/x")).body == "one");
  for (const auto& [name, content] : files) {
    gateway.dir().write("new", content);
    std::filesystem::rename(gateway.dir().path("new"), gateway.dir().path(name));
  }
  CHECK(counted("success"));
  CHECK(counted("failure"));  // and no more of them
}

TEST_CASE("counters outlive a reload that changes a rate; other numbers of entries, or no use, forget them") {
  Gateway gateway(R"(
stores: { memory: { entries: 2048 } }
limits: { once: { rate: 1/1h }, other: { rate: 9/1h } }
routes: [ { name: x, match: { path: /x }, authenticate: public, limit: [once], respond: { status: 204 } } ]
)");
  auto client = gateway.connect();
  const auto status = [&] { return client->ask(get("/x")).status; };
  int reloads = 0;
  const auto reload = [&](const std::string& from, const std::string& to) {
    gateway.change(from, to);
    ++reloads;
    const std::string done = "sallyport_config_reloads_total{result=\"success\"} " + std::to_string(reloads);
    CHECK(eventually([&] { return gateway.has_metric(done); }));
  };
  CHECK(status() == 204);
  CHECK(status() == 429);
  reload("rate: 1/1h", "rate: 1/2h");
  CHECK(status() == 429);
  reload("entries: 2048", "entries: 4096");
  CHECK(status() == 204);
  CHECK(status() == 429);
  reload("limit: [once]", "limit: [other]");
  CHECK(status() == 204);
  reload("limit: [other]", "limit: [once]");
  CHECK(status() == 204);
  CHECK(status() == 429);
}

TEST_CASE("a request that comes while a reload connects to its store anew waits for that: none is lost") {
  std::promise<void> let_in;
  const auto allowed = let_in.get_future().share();
  FakeRedis redis([&](const FakeRedis::Words& words, int connection) {
    if (connection == 2 && words.front() == "PING") allowed.wait();
    return FakeRedis::good(words);
  });
  Gateway gateway("stores: { shared: { url: \"redis://127.0.0.1:" + std::to_string(redis.port()) +
                  "\", timeout: 8s } }\nlimits: { many: { rate: 1000/1s, by: route, store: shared, "
                  "when_store_fails: deny } }\nroutes:\n  - { name: x, match: { path: /x }, authenticate: "
                  "public, limit: [many], respond: { status: 200 } }\n");
  const auto client = gateway.connect();
  int passed = 0;
  for (int i = 0; i < 100; ++i) {
    if (i == 50) gateway.change("timeout: 8s", "timeout: 9s");
    if (i == 50) CHECK(eventually([&] { return redis.count("PING") == 2; }));
    CHECK(client->send(get("/x")));
    if (i == 50) let_in.set_value();
    passed += client->read().status == 200 ? 1 : 0;
  }
  CHECK(passed == 100);
  CHECK(redis.connections() == 2);
}
