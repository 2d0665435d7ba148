// What each block of the model checks about itself.
#include "gateway/config/model.h"

#include <cstdlib>

#include "tests/unit/config/load_support.h"

using namespace sallyport;
using namespace sallyport::config;
using namespace sallyport::config::testing;

namespace {

std::string listener_problems(const std::string& entry, const std::string& directory = "/nonexistent") {
  return problems_of("version: 1\nlisteners:\n  - " + entry + "\n", directory);
}

}  // namespace

TEST_CASE("workers: auto or a number") {
  CHECK(load_yaml(with_head("workers: auto")).model->workers.automatic);
  const Loaded four = load_yaml(with_head("workers: 4"));
  CHECK_FALSE(four.model->workers.automatic);
  CHECK(four.model->workers.count == 4);
  for (std::string_view bad :
       {"0", "257", "-1", "1.5", "many", "\"4\"", "[1]", "{}", "99999999999999999999", "~"}) {
    CAPTURE(bad);
    CHECK(contains(problems_of(with_head("workers: " + std::string(bad))),
                   "t.yaml:5:10: workers: expected auto or a number from 1 to 256"));
  }
}

TEST_CASE("http: units, and values that make sense") {
  const Loaded loaded = load_yaml(with_head(R"(http:
  header_timeout: 1500ms
  header_bytes: 48KiB
  headers: 50
)"));
  CHECK(loaded.problems.text() == "");
  CHECK(loaded.model->http.header_timeout == milliseconds(1500));
  CHECK(loaded.model->http.header_bytes.count == 49152);
  CHECK(loaded.model->http.headers == 50);

  auto at = [](std::string_view line) { return problems_of(with_head("http:\n  " + std::string(line))); };
  CHECK(at("idle_timeout: 0s") == "t.yaml:6:17: idle_timeout must be longer than 0");
  CHECK(at("body_timeout: 2d") == "t.yaml:6:17: body_timeout can be 24h at most");
  CHECK(at("header_bytes: 10B") == "t.yaml:6:17: header_bytes must be from 1KiB to 60KiB");
  CHECK(contains(at("header_bytes: 2GiB"), "header_bytes must be from"));
  CHECK(at("uri_bytes: 32KiB") ==
        "t.yaml:6:14: uri_bytes must be less than header_bytes, which counts the first line too");
  CHECK(at("headers: 0") == "t.yaml:6:12: headers must be from 8 to 1000");
  CHECK(at("connections: 0") == "t.yaml:6:16: connections must be from 1 to 1000000");
  CHECK_FALSE(at("header_bytes: 32768").empty());
  CHECK(at("header_bytes: [1MiB]") == "t.yaml:6:17: http.header_bytes: expected text, found a list");
  CHECK(at("idle_timeout: { s: 1 }") == "t.yaml:6:17: http.idle_timeout: expected text, found a map");
  CHECK(at("body_timeout: ~") == "t.yaml:6:17: http.body_timeout: expected text, found nothing");
  CHECK(at("trusted_proxies: [10.0.0.0/8, 10.0.0.1/8]") ==
        "t.yaml:6:33: \"10.0.0.1/8\" has bits of a host behind its prefix: the range that it lies in is "
        "10.0.0.0/8");
  CHECK(at("trusted_proxies: [a/8]") ==
        "t.yaml:6:21: \"a/8\" is not a range of addresses such as 10.0.0.0/8 or 2001:db8::/32");
  CHECK(at("trusted_proxies: [~]") == "t.yaml:6:21: http.trusted_proxies[0]: expected text, found nothing");
  CHECK_FALSE(at("connections: 4294967296").empty());
}

TEST_CASE("a listener is exactly one of tls, redirect and plaintext") {
  constexpr std::string_view rule = "give it exactly one of tls: …, redirect: https and plaintext: true";
  CHECK(listener_problems("{ name: a, address: 127.0.0.1:80 }") ==
        "t.yaml:3:5: listener \"a\" does not say how it serves: " + std::string(rule));
  CHECK(contains(listener_problems("{ name: a, address: 127.0.0.1:80, plaintext: false }"), rule));
  CHECK(listener_problems("{ name: a, address: 127.0.0.1:80, redirect: https, plaintext: true }") ==
        "t.yaml:3:5: listener \"a\" says several things: " + std::string(rule));
  CHECK(listener_problems("{ name: a, address: 127.0.0.1:80, redirect: https }") ==
        "t.yaml:3:5: warning: listener \"a\" sends clients to TLS, and no listener has any (tls: ...)");
  CHECK(contains(listener_problems("{ name: a, address: 127.0.0.1:80, redirect: http }"), "t.yaml:3:49: "));
  CHECK(contains(listener_problems("{ name: a b, address: 127.0.0.1:80, plaintext: true }"),
                 "t.yaml:3:13: \"a b\" is no name"));
  CHECK(contains(listener_problems("{ name: a, address: \"\", plaintext: true }"), "t.yaml:3:25: "));
  CHECK(contains(listener_problems("{ plaintext: true }"), "needs \"name\""));
  CHECK(contains(listener_problems("{ plaintext: true }"), "needs \"address\""));
  CHECK_FALSE(listener_problems("~").empty());
}

TEST_CASE("the certificates of a listener must be there") {
  Directory dir;
  dir.write("a.crt", "x");
  dir.write("a.key", "x");
  auto tls = [&](const std::string& block) {
    return listener_problems("{ name: a, address: \"[::]:443\", tls: " + block + " }", dir.path());
  };
  CHECK(tls("{ certificates: [{ cert: a.crt, key: a.key }] }") == "");
  CHECK(tls("{ certificates: [{ cert: a.crt, key: b.key }] }") ==
        "t.yaml:3:79: cannot read " + (dir / "b.key") + ": No such file or directory");
  CHECK(contains(tls("{ certificates: [{ cert: ., key: a.key }] }"), ": Not a file"));
  CHECK(contains(tls("{ certificates: [{ cert: \"\", key: a.key }] }"), "cert: expected the path of a file"));
  CHECK(contains(tls("{ certificates: [] }"), "certificates: at least one is needed"));
  CHECK(contains(tls("{}"), "needs \"certificates\""));
  CHECK(contains(tls("{ certificates: [{ cert: a.crt }] }"), "needs \"key\""));

  const std::string good = "{ certificates: [{ cert: a.crt, key: a.key }], ";
  CHECK(tls(good + "min_version: \"1.3\" }") == "");
  CHECK(tls(good + "min_version: 1.3 }") == "");
  CHECK(contains(tls(good + "min_version: \"1.1\" }"), "expected one of 1.2, 1.3"));
  CHECK(contains(tls(good + "handshake_timeout: 0s }"), "handshake_timeout must be longer than 0"));
  CHECK(tls(good + "client_certificates: { mode: off } }") == "");
  CHECK(tls(good + "client_certificates: { ca: a.crt, mode: required } }") == "");
  CHECK(contains(tls(good + "client_certificates: { mode: optional } }"), "ca is missing"));
  CHECK(contains(tls(good + "client_certificates: { ca: no.crt, mode: optional } }"), "cannot read"));
}

TEST_CASE("log: where the access log goes, and how much the error log tells") {
  auto to = [](std::string_view where) {
    return load_yaml(with_head("log: { access: { to: " + std::string(where) + " } }"), "/etc/sp")
        .model->log.access.to;
  };
  CHECK(to("stdout").kind == AccessLogTo::Kind::out);
  CHECK(to("stderr").kind == AccessLogTo::Kind::err);
  CHECK(to("off").kind == AccessLogTo::Kind::off);
  CHECK(to("\"off\"").kind == AccessLogTo::Kind::off);
  CHECK(to("file:/var/log/a.log").kind == AccessLogTo::Kind::file);
  CHECK(to("file:/var/log/a.log").file.resolved == "/var/log/a.log");
  CHECK(to("file:a.log").file.resolved == "/etc/sp/a.log");
  for (std::string_view bad : {"syslog", "\"file:\"", "/var/log/a.log", "true", "[stdout]", "{}"}) {
    CAPTURE(bad);
    CHECK(contains(problems_of(with_head("log: { access: { to: " + std::string(bad) + " } }")),
                   "t.yaml:5:22: expected stdout, stderr, off or file:PATH"));
  }
  CHECK(load_yaml(with_head("log: { level: warn }")).model->log.level == LogLevel::warn);
  CHECK(contains(problems_of(with_head("log: { level: debug }")), "expected one of info, warn, error"));
}

TEST_CASE("dns: servers are addresses") {
  const auto problems = [](std::string_view servers) {
    return problems_of(with_head("dns: { servers: " + std::string(servers) + " }"));
  };
  CHECK(problems("[]") == "");
  CHECK(problems("[10.0.0.53, \"10.0.0.54:5353\", \"[fd00::53]\"]") == "");
  CHECK(
      problems("[dns.test]") ==
      "t.yaml:5:17: \"dns.test\" is no address of a DNS server: expected 10.0.0.53, 10.0.0.53:53 or [v6]:53");
  CHECK(contains(problems("[10.0.0.53, \"10.0.0.54:0\"]"), "\"10.0.0.54:0\" is no address of a DNS server"));
  std::string nine;
  for (int i = 1; i <= 9; ++i) nine += (nine.empty() ? "10.0.0." : ", 10.0.0.") + std::to_string(i);
  CHECK(problems("[" + nine + "]") == "t.yaml:5:17: servers: 8 at most");
}

TEST_CASE("stores: memory is always there, the others are Redis") {
  setenv("SALLYPORT_TEST_SECRET", "hunter2", 1);
  const Loaded loaded = load_yaml(with_head(R"(stores:
  redis: { url: "redis://127.0.0.1:6379/1", password: env:SALLYPORT_TEST_SECRET, timeout: 5ms }
  memory: { entries: 4096 }
)"));
  CHECK(loaded.problems.text() == "");
  CHECK(loaded.model->stores.memory.entries == 4096);
  const Store* redis = loaded.model->store("redis");
  REQUIRE(redis != nullptr);
  CHECK(*redis->password.value == "hunter2");
  CHECK(redis->timeout == milliseconds(5));
  CHECK(redis->mark.line == 6);
  CHECK(loaded.model->store("memory") == nullptr);

  auto at = [](std::string_view line) { return problems_of(with_head("stores:\n  " + std::string(line))); };
  CHECK(at("memory: { url: redis://a }") ==
        "t.yaml:6:18: the store \"memory\" is the embedded one, which has no url: call a Redis server by "
        "another name");
  CHECK(contains(at("memory: { entries: 1 }"), "t.yaml:6:22: entries must be from 1024"));
  CHECK(contains(at("r: {}"), "stores.r needs \"url\""));
  CHECK(contains(at("r: { url: \"http://a\" }"), "t.yaml:6:13: expected redis://host:port"));
  CHECK(contains(at("r: { url: \"redis://a\", tls: { verify: false } }"), "tls is for a rediss:// URL"));
  CHECK(contains(at("r: { url: \"redis://a\", username: u }"), "a username needs a password"));
  CHECK(at("r: { url: \"redis://a\", username: u, password: env:SALLYPORT_TEST_UNSET }") ==
        "t.yaml:6:49: stores.r.password: the environment variable SALLYPORT_TEST_UNSET is not set");
  CHECK(at("r: { url: \"redis://a\", password: \"env:\" }") ==
        "t.yaml:6:36: stores.r.password: the name of the environment variable is missing behind \"env:\"");
  CHECK(
      contains(at("r: { url: \"redis://a\", password: \"file:\" }"), "the path is missing behind \"file:\""));
  CHECK(contains(at("r: { url: \"redis://a\", timeout: 0s }"), "timeout must be longer than 0"));
  CHECK(contains(at("r: { url: \"rediss://a\", tls: { ca: no.pem } }"), "cannot read /nonexistent/no.pem"));
  CHECK_FALSE(contains(at("r: { url: \"redis://:hunter2@a\" }"), "hunter2"));
  CHECK(contains(at("\"r/x\": { url: \"redis://a\" }"), "is no name"));
}

TEST_CASE("upstreams: at least one target, and where each was written") {
  const Loaded loaded = load_yaml(with_head(R"(upstreams:
  orders:
    targets:
      - http://127.0.0.1:9000
      - http://127.0.0.1:9001
    connections_max: 8
)"));
  CHECK(loaded.problems.text() == "");
  const Upstream* orders = loaded.model->upstream("orders");
  REQUIRE(orders != nullptr);
  CHECK(orders->targets.size() == 2);
  REQUIRE(orders->target_marks.size() == 2);
  CHECK(orders->target_marks[1].line == 9);
  CHECK(orders->connections_max == 8);
  CHECK(loaded.model->upstream("other") == nullptr);

  auto at = [](std::string_view line) {
    return problems_of(with_head("upstreams:\n  " + std::string(line)));
  };
  CHECK(contains(at("o: { targets: [] }"), "t.yaml:6:17: targets: at least one is needed"));
  CHECK(contains(at("o: {}"), "upstreams.o needs \"targets\""));
  CHECK(contains(at("o: { targets: http://a }"), "t.yaml:6:17: "));
  CHECK(contains(at("o: { targets: [http://a], connections_max: 0 }"), "connections_max must be from 1"));
  CHECK(contains(at("o: { targets: [http://a], response_timeout: 0s }"), "response_timeout must be longer"));
  CHECK(contains(at("o: { targets: [https://a], tls: { ca: no.pem } }"), "cannot read /nonexistent/no.pem"));
}

TEST_CASE("authenticators and limits are kept as they were written") {
  const Loaded loaded = load_yaml(with_head(R"(authenticators:
  keys: { type: api_key, anything: [1] }
limits:
  per-client: { rate: 100/1m }
)"));
  CHECK(loaded.problems.text() == "");
  const AuthenticatorBlock* keys = loaded.model->authenticator("keys");
  REQUIRE(keys != nullptr);
  CHECK(keys->type == "api_key");
  CHECK(keys->path == "authenticators.keys");
  CHECK(keys->block->find("anything") != nullptr);
  CHECK(keys->block->mark.line == 6);
  REQUIRE(loaded.model->limit("per-client") != nullptr);
  CHECK((*loaded.model->limit("per-client"))->find("rate")->text == "100/1m");
  CHECK(loaded.model->limit("other") == nullptr);

  CHECK(contains(problems_of(with_head("authenticators: { keys: { file: x } }")), "needs \"type\""));
  const Loaded bad = load_yaml(with_head("authenticators: { keys: api_key }"));
  CHECK_FALSE(bad.problems.empty());
  CHECK(bad.model->authenticators.empty());  // so that no owner meets one without a block
}
