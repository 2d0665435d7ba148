// Key sets of issuers: how long they live, what of an answer is obeyed, which key a token is verified with.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <tuple>

#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"
#include "tests/support/tcp_server.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string bearer(const std::string& token, const std::string& path = "/x") {
  return get(path, "Authorization: Bearer " + token + "\r\n");
}

std::string idp(const std::string& name, const std::string& jwks) {
  return "  " + name +
         ": { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256, RS256], jwks: { " +
         jwks + " } }\n";
}

std::string route(const std::string& name, const std::string& authenticator) {
  return "  - { name: " + name + ", match: { path: /" + name + " }, authenticate: { any_of: [" +
         authenticator + "] }, respond: { status: 200 } }\n";
}

std::string one_idp(const std::string& jwks) {
  return "authenticators:\n" + idp("idp", jwks) + "routes:\n" + route("x", "idp");
}

std::string answer(const std::string& status, const std::string& content) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" +
         content;
}

// What the issuer's address gives, which a story changes.
class Jwks {
 public:
  explicit Jwks(std::string content) : content_(std::move(content)) {}
  void set(std::string content, std::string status = "200 OK") {
    const std::lock_guard lock(mutex_);
    content_ = std::move(content);
    status_ = std::move(status);
  }
  size_t fetched() const { return origin_.requests().size(); }
  std::string url() const { return "url: \"" + origin_.target() + "/jwks\""; }

 private:
  std::mutex mutex_;
  std::string content_, status_ = "200 OK";
  Origin origin_{[this](const OriginRequest&) {
    const std::lock_guard lock(mutex_);
    return answer(status_, content_);
  }};
};

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

void reload_and_wait(Gateway& gateway) {
  const size_t before = count_of(gateway.errors(), "config_reloaded");
  gateway.reload();
  CHECK(eventually([&] { return count_of(gateway.errors(), "config_reloaded") == before + 1; }));
}

std::string for_long(const Issuer& issuer) {
  return issuer.token(R"({"iss":"https://idp","aud":"api","sub":"ann","exp":99999999999})");
}

int status_of(const Gateway& gateway, const Issuer& by) { return gateway.ask(bearer(for_long(by))).status; }

// A token of it is good soon, and is refused at no time.
void expect_in_time(const Gateway& gateway, const Issuer& issuer) {
  CHECK(eventually([&] {
    const int status = status_of(gateway, issuer);
    CHECK(status != 401);
    return status == 200;
  }));
}

const std::string no_keys = R"({"keys":[]})";

}  // namespace

TEST_CASE("a reload keeps the key set whose source is the same: also while the issuer is down") {
  const Issuer issuer;
  Jwks jwks(issuer.jwks());
  Gateway gateway(one_idp(jwks.url()));
  CHECK(eventually([&] { return gateway.admin("/readyz").status == 200; }));
  jwks.set("", "500 No");
  const auto client = gateway.connect();
  for (int i = 0; i < 10; ++i) {
    reload_and_wait(gateway);
    CHECK(gateway.admin("/readyz").status == 200);
    CHECK(client->ask(bearer(issuer.good())).status == 200);
  }
  CHECK(jwks.fetched() == 1);
  gateway.rewrite_config(one_idp(jwks.url() + ", refresh: 20m"));  // fetched at once, and the known keys stay
  reload_and_wait(gateway);
  CHECK(eventually([&] { return jwks.fetched() == 2; }));
  CHECK(gateway.admin("/readyz").status == 200);
  CHECK(gateway.ask(bearer(issuer.good())).status == 200);
  gateway.rewrite_config(
      "routes: [ { name: other, match: { path: / }, authenticate: public, respond: { status: 200 } } ]\n");
  reload_and_wait(gateway);
  gateway.rewrite_config(
      one_idp(jwks.url()));  // it was gone from the config: nothing is known of it any more
  reload_and_wait(gateway);
  CHECK(gateway.admin("/readyz").status == 503);
  CHECK(gateway.ask(bearer(issuer.good())).status == 503);
}

TEST_CASE("the known keys stay where the CA of their address is renewed, and are fetched by it at once") {
  const Issuer issuer;
  Jwks jwks(issuer.jwks());
  const std::string ca = certificates().read("other.crt");
  Gateway gateway(one_idp(jwks.url() + ", ca: ca.pem"), [&](const TempDir& dir) { dir.write("ca.pem", ca); });
  CHECK(eventually([&] { return gateway.admin("/readyz").status == 200; }));
  jwks.set("", "500 No");
  gateway.dir().write("ca.pem", ca + certificates().read("tls.crt"));
  reload_and_wait(gateway);
  CHECK(eventually([&] { return jwks.fetched() == 2; }));
  CHECK(gateway.admin("/readyz").status == 200);
  CHECK(gateway.ask(bearer(issuer.good())).status == 200);
}

TEST_CASE("an answer that is no key set is no fetch: asked again soon, and by the first token") {
  const Issuer issuer;
  Jwks jwks("<html>be back soon</html>");
  Gateway gateway(one_idp(jwks.url()));
  const auto refused = [&](size_t count) {
    return eventually([&] { return count_of(gateway.errors(), "key_set_refused") == count; });
  };
  CHECK(refused(1));
  CHECK(gateway.admin("/readyz").status == 503);
  for (const auto [pause, count] : {std::pair(5s, 2), {10s, 3}, {20s, 4}, {30s, 5}, {30s, 6}}) {
    gateway.advance(pause + 100ms);
    CHECK(refused(static_cast<size_t>(count)));
  }
  jwks.set(issuer.jwks());
  gateway.advance(11s);
  CHECK(gateway.ask(bearer(issuer.good())).status == 503);  // and asks for it
  CHECK(eventually([&] { return gateway.ask(bearer(issuer.good())).status == 200; }));
  CHECK(gateway.admin("/readyz").status == 200);
  jwks.set("{}");
  gateway.advance(15min);
  CHECK(refused(7));
  CHECK(gateway.ask(bearer(for_long(issuer))).status == 200);  // the set that was good stays
}

TEST_CASE("a key set that the issuer has emptied is obeyed, and asked for again soon") {
  const Issuer issuer;
  Jwks jwks(issuer.jwks());
  const std::string token = for_long(issuer);
  Gateway gateway(one_idp(jwks.url()));
  CHECK(eventually([&] { return gateway.ask(bearer(token)).status == 200; }));
  jwks.set(no_keys);
  gateway.advance(15min);
  CHECK(eventually([&] { return gateway.ask(bearer(token)).status == 401; }));
  CHECK(gateway.log_line("\"reason\":\"unknown_key\"") != "");
  CHECK(gateway.admin("/readyz").status == 200);
  jwks.set(issuer.jwks());
  gateway.advance(30s);
  CHECK(eventually([&] { return gateway.ask(bearer(token)).status == 200; }));
}

TEST_CASE("two authenticators with one address each fetch as often as they say") {
  const Issuer issuer;
  Jwks jwks(issuer.jwks());
  Gateway gateway("authenticators:\n" + idp("seldom", jwks.url() + ", refresh: 1h") +
                  idp("often", jwks.url() + ", refresh: 1m") + "routes:\n" + route("x", "seldom") +
                  route("y", "often"));
  CHECK(eventually([&] { return gateway.ask(bearer(issuer.good())).status == 200; }));
  CHECK(eventually([&] { return jwks.fetched() == 2; }));
  gateway.advance(61s);
  CHECK(eventually([&] { return jwks.fetched() == 3; }));
}

TEST_CASE(
    "a key that is not known is the issuer's failure while it cannot be asked, and the token's otherwise") {
  const Issuer issuer, other("ES256", "k2");
  Jwks jwks(issuer.jwks());
  Gateway gateway(one_idp(jwks.url()));
  CHECK(eventually([&] { return gateway.ask(bearer(for_long(issuer))).status == 200; }));
  CHECK(gateway.ask(bearer(for_long(other))).status == 503);  // the issuer may have it by now
  gateway.advance(11s);
  CHECK(eventually([&] { return gateway.ask(bearer(for_long(other))).status == 401; }));
  for (const auto& [content, status] : {std::pair("", "500 No"), {"<html>be back soon</html>", "200 OK"}}) {
    jwks.set(content, status);
    gateway.advance(15min);
    CHECK(eventually([&] { return gateway.ask(bearer(for_long(other))).status == 503; }));
    const Response down = gateway.ask(bearer(for_long(other)));
    CHECK(down.status == 503);
    CHECK(down.header("retry-after") != "");
    CHECK(gateway.ask(bearer(for_long(issuer))).status == 200);  // what is known needs no issuer
    jwks.set(issuer.jwks());
    gateway.advance(31s);
    CHECK(eventually([&] { return gateway.ask(bearer(for_long(other))).status == 401; }));
  }
}

TEST_CASE("the first token of a new key is not refused for it while the issuer is asked, and finds it then") {
  const Issuer issuer, next("ES256", "k2"), same_name("ES256", "k1");
  Jwks jwks(issuer.jwks());
  Gateway gateway(one_idp(jwks.url()));
  CHECK(eventually([&] { return gateway.admin("/readyz").status == 200; }));
  CHECK(status_of(gateway, issuer) == 200);
  jwks.set(next.jwks());
  gateway.advance(11s);
  for (int turn = 0; turn < 2; ++turn) CHECK(gateway.admin("/readyz").status == 200);  // it has looked
  CHECK(status_of(gateway, next) == 503);
  expect_in_time(gateway, next);
  jwks.set(same_name.jwks());
  gateway.advance(15min);
  CHECK(gateway.has_metric(R"(sallyport_file_reloads_total{kind="key_set",result="success"} 3)"));
  CHECK(status_of(gateway, same_name) == 200);  // asked sooner, it would wish for another fetch
  jwks.set(issuer.jwks());
  gateway.advance(11s);
  CHECK(status_of(gateway, issuer) == 401);  // by its name another has signed, and asks for it
  CHECK(eventually([&] { return status_of(gateway, issuer) == 200; }));
}

TEST_CASE("a new key is not refused because a stranger had the issuer asked just before it came") {
  const Issuer issuer, next("ES256", "k2"), stranger("ES256", "k3");
  Jwks jwks(issuer.jwks());
  Gateway gateway(one_idp(jwks.url()));
  CHECK(eventually([&] { return status_of(gateway, issuer) == 200; }));
  gateway.advance(11s);
  CHECK(eventually([&] { return status_of(gateway, stranger) == 401; }));
  jwks.set(next.jwks());
  for (int i = 0; i < 5; ++i) {
    CHECK(status_of(gateway, next) == 503);
    CHECK(status_of(gateway, stranger) == 401);  // of which the issuer has told
  }
  gateway.advance(11s);
  expect_in_time(gateway, next);
}

TEST_CASE("an issuer that crawls has its time, and no more") {
  std::atomic<bool> over{false};
  const TcpServer crawls([&](int fd, int) {
    Received(fd).until("\r\n\r\n");
    send_all(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    while (!over && send_all(fd, "a")) std::this_thread::sleep_for(20ms);
  });
  Gateway gateway(one_idp("url: \"http://127.0.0.1:" + std::to_string(crawls.port()) + "/\""));
  CHECK(eventually([&] { return crawls.connections() == 1; }));
  CHECK(eventually([&] {
    gateway.advance(1s);
    return gateway.errors().find("fetch_failed") != std::string::npos;
  }));
  CHECK(gateway.told("reason=upstream_timeout detail=\"the document did not come in its time\""));
  over = true;
}

TEST_CASE("a source of keys that cannot be one is refused at load, and no password is told") {
  const TempDir dir;
  dir.write("no.pem", "nothing");
  dir.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  const auto problem = [&](const std::string& jwks) {
    const std::string path =
        dir.write("gateway.yaml",
                  "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n" +
                      one_idp(jwks));
    for (const char* command : {"check", "show", "run"}) {
      const Finished done = run({binary(), command, path});
      CHECK(done.status == 78);
      CHECK((done.out + done.err).find("hunter2") == std::string::npos);
    }
    return run({binary(), "check", path}).err;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(problem("url: \"https://me:hunter2@idp.example/jwks\""), "no name and no password");
  has(problem("url: \"https://hunter2@idp.example/jwks\""), "no name and no password");
  has(problem("url: \"https://idp.example/jwks#keys\""), "fragment");
  has(problem("url: \"https://idp.example:0x1/jwks\""), "port");
  has(problem("url: \"https:///jwks\""), "host");
  has(problem("url: \"https://idp.example/a b\""), "url");
  has(problem("url: \"https://idp.example/jwks\", ca: missing.pem"), "missing.pem");
  has(problem("url: \"https://idp.example/jwks\", ca: no.pem"), "no.pem");
  has(problem("url: \"https://idp.example/jwks\", ca: cut.pem"),
      "cut.pem: the ca file holds no PEM certificate, or a broken one");
}

TEST_CASE("an authenticator that would take a token of nobody, for nobody, is refused at load") {
  const TempDir dir;
  dir.write("jwks.json", no_keys);
  const auto checked = [&](const std::string& from, const std::string& to) {
    std::string config = one_idp("file: jwks.json");
    config.replace(config.find(from), from.size(), to);
    return run(
        {binary(), "check",
         dir.write("gateway.yaml",
                   "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n" +
                       config)});
  };
  CHECK(checked("[api]", "[api, more]").status == 0);
  for (const auto& [from, to, key] : {std::tuple("issuer: \"https://idp\"", "issuer: \"\"", "issuer"),
                                      {"[api]", "[api, \"\"]", "audiences"},
                                      {"audiences", "client_claim: \"\", audiences", "client_claim"}}) {
    const Finished done = checked(from, to);
    CHECK(done.status == 78);
    CHECK_MESSAGE(done.err.find(std::string(key) + " cannot be empty") != std::string::npos, done.err);
  }
}
