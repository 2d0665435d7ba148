// Operations: reload, drain, keys that come and go, tokens, Redis, a full disk, the commands.
#include <doctest/doctest.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/sha.h>
#include <signal.h>

#include <ctime>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string respond(const std::string& body) {
  return "routes:\n  - { name: only, match: { path: /x }, authenticate: public, respond: { status: 200, "
         "body: \"" +
         body + "\" } }\n";
}

std::string base64url(const std::string& bytes) {
  std::string out(bytes.size() * 4 / 3 + 4, '\0');
  out.resize(static_cast<size_t>(EVP_EncodeBlock(
      reinterpret_cast<uint8_t*>(out.data()), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size())));
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::string padded(const BIGNUM* n) {
  std::string out(32, '\0');
  BN_bn2bin_padded(reinterpret_cast<uint8_t*>(out.data()), out.size(), n);
  return out;
}

// An identity provider: one P-256 key, its JWKS, and tokens.
class Issuer {
 public:
  Issuer() : key_(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)) { EC_KEY_generate_key(key_); }
  ~Issuer() { EC_KEY_free(key_); }
  std::string jwks() const {
    BIGNUM *x = BN_new(), *y = BN_new();
    EC_POINT_get_affine_coordinates_GFp(EC_KEY_get0_group(key_), EC_KEY_get0_public_key(key_), x, y, nullptr);
    const std::string out = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":")" + base64url(padded(x)) +
                            R"(","y":")" + base64url(padded(y)) + "\"}]}";
    BN_free(x);
    BN_free(y);
    return out;
  }
  std::string token(const std::string& claims,
                    const std::string& header = R"({"alg":"ES256","kid":"k1"})") const {
    const std::string text = base64url(header) + "." + base64url(claims);
    uint8_t digest[32];
    SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
    ECDSA_SIG* sig = ECDSA_do_sign(digest, sizeof digest, key_);
    const BIGNUM *r = nullptr, *s = nullptr;
    ECDSA_SIG_get0(sig, &r, &s);
    const std::string out = text + "." + base64url(padded(r) + padded(s));
    ECDSA_SIG_free(sig);
    return out;
  }
  std::string good(const std::string& more = "") const {
    return token(
        R"({"iss":"https://idp","aud":["api","x"],"sub":"ann","jti":"t1","roles":["clerk"],"scope":"a:read a:write","exp":)" +
        std::to_string(std::time(nullptr) + 600) + more + "}");
  }

 private:
  EC_KEY* key_;
};

std::string bearer(const std::string& token) { return get("/x", "Authorization: Bearer " + token + "\r\n"); }

std::string jwt_config(const std::string& jwks, const std::string& origin) {
  return "upstreams: { web: { targets: [\"" + origin +
         "\"] } }\nauthenticators:\n  idp: { type: jwt, issuer: \"https://idp\", audiences: [api], "
         "algorithms: [ES256], jwks: { " +
         jwks + " } }\n" + R"(
routes:
  - { name: x, match: { path: /x }, authenticate: { any_of: [idp] }, authorize: { scopes: ["a:read"] }, forward: { to: web } }
  - { name: admin, match: { path: /admin }, authenticate: { any_of: [idp] }, authorize: { scopes: ["admin"] }, forward: { to: web } }
)";
}

// A real Redis on a port of its own.
struct Redis {
  TempDir dir;
  int port = free_port();
  std::unique_ptr<Process> process;
  Redis() { start(); }
  void start() {
    process = std::make_unique<Process>(
        dir, "redis",
        std::vector<std::string>{"redis-server", "--port", std::to_string(port), "--bind", "127.0.0.1",
                                 "--save", "", "--dir", dir.path(), "--daemonize", "no"});
    eventually([&] { return command({"PING"}) == "PONG\n"; });
  }
  void stop() { process.reset(); }
  std::string command(const std::vector<std::string>& words) const {
    std::vector<std::string> all = {"redis-cli", "-p", std::to_string(port)};
    all.insert(all.end(), words.begin(), words.end());
    return run(all).out;
  }
};

std::string redis_limit(const Redis& redis, const std::string& when) {
  return "stores: { shared: { url: \"redis://127.0.0.1:" + std::to_string(redis.port) +
         "\", timeout: 2s } }\n" +
         "limits: { few: { rate: 100/1m, burst: 2, by: route, store: shared, when_store_fails: " + when +
         " } }\n" + R"(
routes:
  - { name: x, match: { path: /x }, authenticate: public, limit: [few], respond: { status: 200 } }
)";
}

}  // namespace

TEST_CASE("SIGHUP reads the config again; a bad one leaves the old in force") {
  Gateway gateway(respond("one"));
  CHECK(gateway.ask(get("/x")).body == "one");
  gateway.rewrite_config(respond("two"));
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).body == "two"; }));
  INFO(gateway.errors());
  gateway.rewrite_config("routs: []\n");
  gateway.reload();
  CHECK(gateway.has_metric(R"(sallyport_config_reloads_total{result="failure"} 1)"));
  CHECK(gateway.errors().find("did you mean \\\"routes\\\"?") != std::string::npos);
  CHECK(gateway.ask(get("/x")).body == "two");
}

TEST_CASE("SIGTERM drains: what is under way is finished, and the exit status is 0") {
  std::atomic<bool> asked{false}, let_go{false};
  Origin slow([&](const OriginRequest& r) {
    asked = true;
    eventually([&] { return let_go.load(); });
    return Origin::ok("late")(r);
  });
  Gateway gateway("upstreams: { web: { targets: [\"" + slow.target() +
                  "\"] } }\nroutes:\n"
                  "  - { name: x, match: { path: /x }, authenticate: public, forward: { to: web } }\n");
  auto busy = gateway.connect();
  auto idle = gateway.connect();
  CHECK(idle->connected());
  busy->send(get("/x"));
  CHECK(eventually([&] { return asked.load(); }));
  const int port = gateway.port();
  gateway.process().signal(SIGTERM);
  CHECK(eventually([&] { return !Client(port, {.tls = false}).connected(); }));
  let_go = true;
  const Response r = busy->read();
  CHECK(r.body == "late");
  CHECK(r.header("connection") == "close");
  busy.reset();
  CHECK(gateway.process().wait() == 0);
}

TEST_CASE("keys are created, rotated and revoked while the gateway runs") {
  std::string key;
  const auto keys = [](const TempDir& dir, std::vector<std::string> words) {
    words.insert(words.begin(), {binary(), "keys"});
    words.insert(words.end(), {"--file", dir.path("keys.yaml")});
    const Finished done = run(words);
    CHECK(done.status == 0);
    return done.out.substr(0, done.out.find('\n'));
  };
  Gateway gateway(
      "authenticators: { k: { type: api_key, file: keys.yaml } }\nroutes:\n"
      "  - { name: x, match: { path: /x }, authenticate: { any_of: [k] }, respond: { status: 200 } }\n",
      [&](const TempDir& dir) { key = keys(dir, {"create", "--client", "acme", "--expires", "1h"}); });
  const auto status = [&](const std::string& with) {
    return gateway.ask(get("/x", "X-API-Key: " + with + "\r\n")).status;
  };
  CHECK(status(key) == 200);
  CHECK(status(key.substr(0, key.size() - 1) + (key.back() == 'a' ? "b" : "a")) == 401);
  const std::string id = key.substr(3, 12);
  const std::string next = keys(gateway.dir(), {"rotate", "--id", id});
  CHECK(eventually([&] { return status(next) == 200; }));
  CHECK(status(key) == 200);
  keys(gateway.dir(), {"revoke", "--id", id});
  CHECK(eventually([&] { return status(key) == 401; }));
  CHECK(status(next) == 200);
  CHECK(gateway.log_line("\"reason\":\"revoked\"").find("\"status\":401") != std::string::npos);
  CHECK(gateway.dir().read("keys.yaml").find(next) == std::string::npos);
  gateway.dir().write("keys.yaml", "nonsense");
  CHECK(eventually([&] { return gateway.errors().find("keys_reload_failed") != std::string::npos; }));
  CHECK(status(next) == 200);
  CHECK(gateway.errors().find("sp_") == std::string::npos);
}

TEST_CASE("tokens: good ones once verified, all others refused with the reason") {
  Origin origin;
  Issuer issuer;
  const Issuer stranger;
  Gateway gateway(jwt_config("file: jwks.json", origin.target()),
                  [&](const TempDir& dir) { dir.write("jwks.json", issuer.jwks()); });
  const std::string token = issuer.good();
  for (int i = 0; i < 3; ++i) CHECK(gateway.ask(bearer(token)).status == 200);
  CHECK(gateway.has_metric("sallyport_token_signature_checks_total 1"));
  CHECK(origin.last().has("X-Client-Id: ann"));
  CHECK(origin.last().has("X-Client-Scopes: a:read a:write"));
  CHECK(origin.last().head.find("Bearer") == std::string::npos);
  CHECK(gateway.log_line("\"credential\":\"t1\"").find("\"client\":\"ann\"") != std::string::npos);
  const Response scope = gateway.ask(get("/admin", "Authorization: Bearer " + token + "\r\n"));
  CHECK(scope.status == 403);
  CHECK(scope.header("www-authenticate") == "Bearer error=\"insufficient_scope\", scope=\"admin\"");

  const auto refused = [&](const std::string& bad, const std::string& reason) {
    CAPTURE(reason);
    const Response r = gateway.ask(bearer(bad));
    CHECK(r.status == 401);
    CHECK(r.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""));
    CHECK(gateway.log_line("\"reason\":\"" + reason + "\"") != "");
  };
  refused(stranger.good(), "bad_signature");
  refused(issuer.token(R"({"iss":"https://idp","aud":"api","sub":"a"})"), "no_expiry");
  refused(issuer.token(R"({"iss":"https://idp","aud":"api","exp":1000})"), "expired");
  refused(issuer.good(R"(,"nbf":99999999999)"), "not_yet_valid");
  refused(issuer.token(R"({"iss":"https://other","aud":"api","exp":99999999999})"), "wrong_issuer");
  refused(issuer.token(R"({"iss":"https://idp","aud":"b","exp":99999999999})"), "wrong_audience");
  refused(issuer.token("{}", R"({"alg":"none"})"), "wrong_algorithm");
  refused(issuer.token("{}", R"({"alg":"HS256"})"), "wrong_algorithm");
  refused(issuer.token("{}", R"({"alg":"ES256","kid":"other"})"), "unknown_key");
  refused("nonsense", "malformed_token");
  gateway.advance(11min);  // it is in the cache, and has expired
  CHECK(gateway.ask(bearer(token)).status == 401);
}

TEST_CASE("a key set is fetched before the gateway is ready; until then 503, not 401") {
  Issuer issuer;
  std::atomic<bool> there{false};
  Origin idp([&](const OriginRequest& r) {
    return there ? Origin::ok(issuer.jwks())(r) : "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
  });
  Origin origin;
  Gateway gateway(jwt_config("url: \"" + idp.target() + "/jwks\"", origin.target()));
  CHECK(gateway.admin("/readyz").status == 503);
  CHECK(gateway.ask(bearer(issuer.good())).status == 503);
  there = true;
  gateway.advance(6s);
  CHECK(eventually([&] { return gateway.admin("/readyz").status == 200; }));
  CHECK(gateway.ask(bearer(issuer.good())).status == 200);
}

TEST_CASE("a limit in Redis: shared, exact to the millisecond, and it takes nothing when it refuses") {
  Redis redis;
  Gateway a(redis_limit(redis, "deny")), b(redis_limit(redis, "deny"));
  CHECK(eventually([&] { return a.ask(get("/x")).status != 503; }));  // connected
  CHECK(eventually([&] { return b.ask(get("/x")).status != 503; }));
  redis.command({"FLUSHALL"});
  CHECK(a.ask(get("/x")).status == 200);
  const std::string name = redis.command({"KEYS", "sallyport:limit:few:*"});
  const long left = std::atol(redis.command({"PTTL", name.substr(0, name.find('\n'))}).c_str());
  CHECK(left <= 600);
  const long until = std::atol(redis.command({"PEXPIRETIME", name.substr(0, name.find('\n'))}).c_str());
  if (left > 0) {  // the key is still there: its end is where its bucket is full again
    const std::string value = redis.command({"GET", name.substr(0, name.find('\n'))});
    if (!value.empty() && value != "\n")
      CHECK(std::labs(until - std::atol(value.substr(0, 13).c_str())) <= 1);
  }
  redis.command({"FLUSHALL"});
  redis.command({"SCRIPT", "FLUSH"});
  int passed = 0;
  for (int i = 0; i < 4; ++i) passed += (i % 2 == 0 ? a : b).ask(get("/x")).status == 200 ? 1 : 0;
  CHECK(passed >= 2);
  CHECK(passed < 4);
}

TEST_CASE("a dead Redis: as the config chose, and back by itself") {
  Redis redis;
  Gateway deny(redis_limit(redis, "deny")), allow(redis_limit(redis, "allow")),
      local(redis_limit(redis, "local"));
  for (Gateway* g : {&deny, &allow, &local})
    CHECK(eventually([&] { return g->has_metric("sallyport_store_failures_total{store=\"shared\"} 0"); }));
  redis.stop();
  CHECK(eventually([&] { return deny.ask(get("/x")).status == 503; }));
  const Response r = deny.ask(get("/x"));
  CHECK(r.header("retry-after") == "1");
  CHECK(deny.log_line("\"status\":503").find("store_unavailable") != std::string::npos);
  for (int i = 0; i < 4; ++i) CHECK(allow.ask(get("/x")).status == 200);
  bool limited = false;
  for (int i = 0; i < 4; ++i) limited = limited || local.ask(get("/x")).status == 429;
  CHECK(limited);
  redis.start();
  CHECK(eventually([&] {
    deny.advance(1s);
    return deny.ask(get("/x")).status != 503;
  }));
}

TEST_CASE("a full disk under the access log stops nobody") {
  Gateway gateway("log: { access: { to: \"file:/dev/full\" } }\n" + respond("fine"));
  for (int i = 0; i < 50; ++i) CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(eventually([&] { return gateway.errors().find("access_log_stuck") != std::string::npos; }));
  CHECK(gateway.ask(get("/x")).status == 200);
}

TEST_CASE("shadow mode decides, counts and logs, and lets pass") {
  Gateway gateway(
      "limits: { one: { rate: 1/1h, by: ip } }\nroutes:\n"
      "  - { name: x, match: { path: /x }, authenticate: public, limit: { use: [one], mode: shadow }, "
      "respond: { status: 200 } }\n");
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.log_line("\"would_refuse\":\"limit:over_limit\"").find("\"status\":200") !=
        std::string::npos);
  CHECK(gateway.has_metric(
      R"(sallyport_refusals_total{mode="shadow",policy="limit",reason="over_limit",route="x"} 1)"));
}

TEST_CASE("check, show and version") {
  TempDir dir;
  const std::string c = certificates().path();
  const std::string head =
      "version: 1\nlisteners:\n  - { name: edge, address: \"127.0.0.1:0\", tls: { certificates: [ { cert: " +
      c + "/tls.crt, key: " + c + "/tls.key } ] } }\n";
  const std::string good = dir.write("good.yaml", head + respond("x"));
  const Finished ok = run({binary(), "check", good});
  CHECK(ok.status == 0);
  CHECK(ok.out.starts_with("ok: "));
  const std::string bad = dir.write("bad.yaml", head + "limits: { a: { rate: fast } }\n" + respond("x"));
  const Finished wrong = run({binary(), "check", bad});
  CHECK(wrong.status == 78);
  CHECK(wrong.err.find("bad.yaml:4:22: limits.a.rate: \"fast\" is not a rate") != std::string::npos);
  const Finished shown = run({binary(), "show", good});
  CHECK(shown.status == 0);
  CHECK(shown.out.find("header_timeout: ") != std::string::npos);
  dir.write("shown.yaml", shown.out);
  CHECK(run({binary(), "check", dir.path("shown.yaml")}).status == 0);
  CHECK(run({binary(), "version"}).out.find("BoringSSL") != std::string::npos);
  CHECK(run({binary(), "frobnicate"}).status == 2);
  CHECK(run({binary(), "run", dir.path("none.yaml")}).status == 78);
}
