// Credentials: keys that come and go, tokens of every algorithm, key sets, two proofs at once.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <ctime>
#include <thread>

#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

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

}  // namespace

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
  const std::string line = gateway.log_line("\"reason\":\"revoked\"");  // somebody still uses it: this one
  for (const std::string& part :
       {std::string("\"status\":401"), std::string("\"client\":\"acme\""), "\"credential\":\"" + id + "\""})
    CHECK(line.find(part) != std::string::npos);
  CHECK(gateway.dir().read("keys.yaml").find(next) == std::string::npos);
  gateway.dir().write("keys.yaml", "nonsense");
  CHECK(gateway.told("keys_reload_failed"));
  CHECK(status(next) == 200);
  CHECK(gateway.errors().find("sp_") == std::string::npos);
}

TEST_CASE(
    "a reload while a key file is being written does not take half of it, which lacks what is revoked") {
  std::string key;
  Gateway gateway(
      "authenticators: { k: { type: api_key, file: keys.yaml } }\nroutes:\n"
      "  - { name: x, match: { path: /x }, authenticate: { any_of: [k] }, respond: { status: 200 } }\n",
      [&](const TempDir& dir) {
        const std::vector<std::string> file = {"--file", dir.path("keys.yaml")};
        key = run({binary(), "keys", "create", "--client", "acme", file[0], file[1]}).out;
        key.resize(key.find('\n'));
        CHECK(run({binary(), "keys", "revoke", "--id", key.substr(3, 12), file[0], file[1]}).status == 0);
      });
  const auto status = [&] { return gateway.ask(get("/x", "X-API-Key: " + key + "\r\n")).status; };
  CHECK(status() == 401);
  const std::string all = gateway.dir().read("keys.yaml");
  std::string half = all;  // as somebody writes it who writes the revocation last
  half.erase(half.rfind("    revoked:"),
             half.find('\n', half.rfind("    revoked:")) + 1 - half.rfind("    revoked:"));
  const int file = open(gateway.dir().path("keys.yaml").c_str(), O_WRONLY);
  std::jthread writer([&](const std::stop_token& over) {
    for (bool first = true; !over.stop_requested(); first = false) {
      if (pwrite(file, half.data(), half.size(), 0) < 0 ||
          (first && ftruncate(file, static_cast<off_t>(half.size())) != 0))
        break;
      std::this_thread::sleep_for(1ms);
    }
  });
  CHECK(eventually([&] { return gateway.dir().read("keys.yaml") == half; }));
  for (const char* reloads : {"1", "2"}) {  // the first has looked at the half
    gateway.reload();
    CHECK(gateway.has_metric("sallyport_config_reloads_total{result=\"success\"} " + std::string(reloads)));
    CHECK(status() == 401);
  }
  writer.request_stop();
  writer.join();
  CHECK(pwrite(file, all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()));
  close(file);
  CHECK(status() == 401);
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
  refused(issuer.token(R"({"iss":"https://idp","aud":"api","sub":"a","exp":9223372036854775807})"),
          "malformed_token");
  refused(issuer.token(R"({"iss":"https://idp","aud":"api","exp":1000})"), "expired");
  refused(issuer.good(R"(,"nbf":99999999999)"), "not_yet_valid");
  refused(issuer.token(R"({"iss":"https://other","aud":"api","exp":99999999999})"), "wrong_issuer");
  refused(issuer.token(R"({"iss":"https://idp","aud":"b","exp":99999999999})"), "wrong_audience");
  refused(issuer.token("{}", R"({"alg":"none"})"), "wrong_algorithm");
  refused(issuer.token("{}", R"({"alg":"HS256"})"), "wrong_algorithm");
  refused(issuer.token("{}", R"({"alg":"ES256","kid":"other"})"), "unknown_key");
  refused("nonsense", "malformed_token");
  refused(issuer.token(R"({"iss":"https://idp","aud":"api","exp":99999999999})"), "no_subject");
  gateway.advance(11min);  // it is in the cache, and has expired
  CHECK(gateway.ask(bearer(token)).status == 401);
  CHECK(gateway.log_line("\"reason\":\"expired\"", "\"client\":\"ann\"").find("\"credential\":\"t1\"") !=
        std::string::npos);
  CHECK(gateway.log_line("\"reason\":\"bad_signature\"").find("ann") == std::string::npos);
}

TEST_CASE("a credential that stands in a path, a host or a name of a program is not in the log") {
  const Issuer issuer;
  std::string key;
  const std::string routes =
      "routes: [ { name: x, match: { path: /a }, authenticate: public, respond: { status: 200 } } ]\n";
  Gateway gateway(routes, [&](const TempDir& dir) {
    key =
        run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "c"}).out.substr(0, 66);
  });
  const std::string token = issuer.good(), secret = key.substr(16, 43);
  std::string lower = key, escaped;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  for (const char c : token) escaped += c == '.' ? std::string("%2E") : std::string(1, c);
  const auto ask = [&](const std::string& path, const std::string& host, const std::string& agent) {
    Client client(gateway.port());
    client.ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + agent + "\r\n\r\n");
  };
  ask("/x/" + token + "/y", key, "first " + escaped);
  ask("/x/%73p%5F" + key.substr(3), token.substr(0, 200), "second " + token);
  ask("/x/%2573p_" + key.substr(3), "h", "third sp%5F" + key.substr(3));
  CHECK(gateway.log_line("\"first eyJhbGci...\"").find("\"path\":\"/x/eyJhbGci.../y\"") != std::string::npos);
  CHECK(gateway.log_line("\"second ").find("\"path\":\"/x/" + key.substr(0, 16) + "...\"") !=
        std::string::npos);
  CHECK(gateway.log_line("\"third sp%5F" + key.substr(3, 13) + "...\"") != "");
  CHECK(gateway.log_line("\"third ").find("\"path\":\"/x/%2573p_" + key.substr(3, 13) + "...\"") !=
        std::string::npos);
  const std::string all = gateway.dir().read("access.log") + gateway.errors();
  const std::string payload = token.substr(token.find('.') + 1, 16), end = token.substr(token.size() - 16);
  for (const std::string& part : {secret, lower.substr(16, 43), payload, end, lower.substr(60)})
    CHECK_MESSAGE(all.find(part) == std::string::npos, all);
}

TEST_CASE("a stronger login, and a recent one") {
  const Issuer issuer;
  Gateway gateway(
      "authenticators:\n  idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
      "jwks: "
      "{ file: jwks.json } }\n" +
          std::string(R"(
routes:
  - { name: mfa, match: { path: /x }, authenticate: { any_of: [idp] }, authorize: { acr: [mfa, "urn:hw"], max_age: 5m }, respond: { status: 204 } }
)"),
      [&](const TempDir& dir) { dir.write("jwks.json", issuer.jwks()); });
  const auto at = [](int ago_s) { return ",\"auth_time\":" + std::to_string(std::time(nullptr) - ago_s); };
  CHECK(gateway.ask(bearer(issuer.good(R"(,"acr":"urn:hw")" + at(60)))).status == 204);
  const auto refused = [&](const std::string& claims, const std::string& reason) {
    const Response r = gateway.ask(bearer(issuer.good(claims)));
    CHECK(r.status == 401);
    CHECK(r.header("www-authenticate") ==
          "Bearer error=\"insufficient_user_authentication\", acr_values=\"mfa urn:hw\", max_age=\"300\"");
    CHECK(gateway.log_line(reason) != "");
  };
  refused(at(60), "login_too_weak");
  refused(R"(,"acr":"password")" + at(60), "login_too_weak");
  refused(R"(,"acr":"mfa")" + at(301), "login_too_old");
  refused(R"(,"acr":"mfa")", "login_too_old");
  refused(R"(,"acr":"mfa")" + at(-3600), "login_in_future");
  refused(R"(,"acr":"mfa","auth_time":"soon")", "login_too_old");
  CHECK(gateway.ask(bearer(issuer.good(R"(,"acr":"mfa")" + at(-10)))).status == 204);  // within the leeway
  CHECK(gateway.ask(bearer(issuer.good(R"(,"acr":"mfa")" + at(60) + ".25"))).status == 204);
}

TEST_CASE("a claim that a limit counts by is found wherever it stands, or is too long to count by") {
  const Issuer issuer;
  Gateway gateway(
      "authenticators:\n  idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
      "jwks: { file: jwks.json } }\nlimits: { t: { rate: 1/1h, by: \"claim:tenant\" } }\nroutes:\n"
      "  - { name: x, match: { path: /x }, authenticate: { any_of: [idp] }, limit: [t], respond: { status: "
      "204 } "
      "}\n",
      [&](const TempDir& dir) { dir.write("jwks.json", issuer.jwks()); });
  std::string others;
  for (int i = 0; i < 80; ++i) others += ",\"c" + std::to_string(i) + "\":1";
  const auto status = [&](const std::string& tenant) {
    return gateway.ask(bearer(issuer.good(others + ",\"tenant\":\"" + tenant + "\""))).status;
  };
  CHECK(status("a") == 204);
  CHECK(status("a") == 429);
  CHECK(status("b") == 204);
  CHECK(status(std::string(300, 'a')) == 204);
  CHECK(status(std::string(300, 'b')) == 204);
  CHECK(status(std::string(1025, 'a')) == 401);
  CHECK(gateway.log_line("\"reason\":\"claim_too_long\"") != "");
}

TEST_CASE("a key set is fetched before the gateway is ready; until then 503, not 401") {
  const Issuer issuer, next("ES256", "k2");
  std::atomic<bool> there{false}, changed{false};
  Origin idp([&](const OriginRequest& r) {
    if (!there) return std::string("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    return Origin::ok((changed ? next : issuer).jwks())(r);
  });
  Origin origin;
  Gateway gateway(jwt_config("url: \"" + idp.target() + "/jwks\"", origin.target()));
  CHECK(gateway.admin("/readyz").status == 503);
  CHECK(gateway.ask(bearer(issuer.good())).status == 503);
  there = true;
  gateway.advance(6s);
  CHECK(eventually([&] { return gateway.admin("/readyz").status == 200; }));
  CHECK(gateway.ask(bearer(issuer.good())).status == 200);
  // The issuer signs with a new key: seen at the first token of it, not a quarter of an hour later.
  changed = true;
  CHECK(gateway.ask(bearer(next.good())).status == 503);
  gateway.advance(11s);
  CHECK(eventually([&] { return gateway.ask(bearer(next.good())).status == 200; }));
  CHECK(gateway.ask(bearer(issuer.good())).status == 503);
  gateway.advance(11s);
  CHECK(eventually([&] { return gateway.ask(bearer(issuer.good())).status == 401; }));
  // What is not the issuer's is not asked for again and again.
  const size_t before = idp.requests().size();
  for (int i = 0; i < 20; ++i) CHECK(gateway.ask(bearer(Issuer("ES256", "k3").good())).status == 503);
  CHECK(idp.requests().size() <= before + 1);
}

TEST_CASE("each algorithm by its own key, and none by another's") {
  Origin origin;
  for (const std::string algorithm : {"ES256", "RS256", "PS256", "EdDSA"}) {
    CAPTURE(algorithm);
    const Issuer issuer(algorithm), stranger(algorithm);
    std::string config = jwt_config("file: jwks.json", origin.target());
    config.replace(config.find("[ES256]"), 7, "[" + algorithm + "]");
    Gateway gateway(config, [&](const TempDir& dir) { dir.write("jwks.json", issuer.jwks()); });
    CHECK(gateway.ask(bearer(issuer.good())).status == 200);
    CHECK(gateway.ask(bearer(stranger.good())).status == 401);
    const std::string token = issuer.good();
    const size_t middle = token.rfind('.') - 5;  // of the claims
    std::string forged = token;
    forged[middle] = forged[middle] == 'A' ? 'B' : 'A';
    CHECK(gateway.ask(bearer(forged)).status == 401);
    for (const std::string other : {"ES256", "RS256", "PS256", "EdDSA"}) {
      if (other == algorithm) continue;
      const std::string header = R"({"alg":")" + other + R"(","kid":"k1"})";
      CHECK(
          gateway.ask(bearer(issuer.token(R"({"iss":"https://idp","aud":"api","exp":99999999999})", header)))
              .status == 401);
    }
  }
}

TEST_CASE("a key set file that changes is read again; one that is broken is not") {
  Origin origin;
  const Issuer one, two("ES256", "k2");
  Gateway gateway(jwt_config("file: jwks.json", origin.target()),
                  [&](const TempDir& dir) { dir.write("jwks.json", one.jwks()); });
  CHECK(gateway.ask(bearer(one.good())).status == 200);
  gateway.dir().write("jwks.json", two.jwks());
  CHECK(eventually([&] { return gateway.ask(bearer(two.good())).status == 200; }));
  CHECK(gateway.ask(bearer(one.good())).status == 401);  // although it was remembered
  gateway.dir().write("jwks.json", "{}");
  CHECK(gateway.told("key_set_refused"));
  CHECK(gateway.ask(bearer(two.good())).status == 200);
  gateway.dir().write("jwks.json", R"({"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}]})");
  CHECK(gateway.told("the key set has no key to verify"));
  CHECK(gateway.ask(bearer(two.good())).status == 200);
  CHECK(gateway.has_metric(R"(sallyport_file_reloads_total{kind="key_set",result="failure"} 2)"));
}

TEST_CASE("all_of: two proofs, both are needed; any_of: the first one carried decides") {
  Origin origin;
  const Issuer issuer, stranger;
  std::string key, other_key;
  Gateway gateway("upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\n" + R"(
authenticators:
  idp: { type: jwt, issuer: "https://idp", audiences: [api], algorithms: [ES256], jwks: { file: jwks.json } }
  keys: { type: api_key, file: keys.yaml }
routes:
  - { name: both, match: { path: /both }, authenticate: { all_of: [keys, idp] }, forward: { to: web } }
  - { name: any, match: { path: /any }, authenticate: { any_of: [keys, idp] }, forward: { to: web } }
)",
                  [&](const TempDir& dir) {
                    dir.write("jwks.json", issuer.jwks());
                    const auto made = [&](const std::string& client) {
                      const Finished done = run({binary(), "keys", "create", "--file", dir.path("keys.yaml"),
                                                 "--client", client, "--roles", "guest"});
                      return "X-API-Key: " + done.out.substr(0, done.out.find('\n')) + "\r\n";
                    };
                    key = made("acme");
                    other_key = made("beta");
                  });
  const std::string token = "Authorization: Bearer " + issuer.good() + "\r\n";
  const std::string bad_token = "Authorization: Bearer " + stranger.good() + "\r\n";
  const std::string bad_key = "X-API-Key: sp_000000000000_x_y\r\n";
  const auto status = [&](const std::string& path, const std::string& headers) {
    return gateway.ask(get(path, headers)).status;
  };
  CHECK(status("/both", key + token) == 200);
  CHECK(origin.last().has("X-Client-Id: acme"));
  CHECK(origin.last().has("X-Client-Roles: guest"));  // the token's are not lent to the key's client
  CHECK(origin.last().head.find("Bearer") == std::string::npos);
  CHECK(origin.last().head.find("sp_") == std::string::npos);
  CHECK(status("/both", other_key + token) == 200);  // who was remembered is of the other key
  CHECK(origin.last().has("X-Client-Id: beta"));
  CHECK(status("/both", key + token) == 200);
  CHECK(origin.last().has("X-Client-Id: acme"));
  CHECK(status("/both", key) == 401);
  CHECK(status("/both", token) == 401);
  CHECK(status("/both", key + bad_token) == 401);
  CHECK(status("/both", bad_key + token) == 401);
  CHECK(status("/any", key) == 200);
  CHECK(status("/any", token) == 200);
  CHECK(origin.last().has("X-Client-Id: ann"));
  CHECK(status("/any", bad_key + token) == 401);
  CHECK(status("/any", key + bad_token) == 200);
  CHECK(origin.last().has("X-Client-Id: acme"));
  CHECK(origin.last().head.find("Bearer") == std::string::npos);  // of none that the route knows
  CHECK(status("/any", key + key) == 401);
}

TEST_CASE("all_of: the first one listed says who calls; nobody has roles, scopes or claims of the other") {
  Origin origin;
  const Issuer issuer;
  std::string key;
  Gateway gateway("upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\n" + R"(
authenticators:
  idp: { type: jwt, issuer: "https://idp", audiences: [api], algorithms: [ES256], jwks: { file: jwks.json } }
  keys: { type: api_key, file: keys.yaml }
limits: { once: { rate: 1/1h, by: client } }
defaults: { authenticate: { all_of: [idp, keys] }, forward: { to: web } }
routes:
  - { name: user, match: { path: /user }, authorize: { roles: [clerk], scopes: ["a:read"] } }
  - { name: lent, match: { path: /lent }, authorize: { roles: [partner] } }
  - { name: partner, match: { path: /partner }, authenticate: { all_of: [keys, idp] }, authorize: { roles: [partner] } }
  - { name: scope, match: { path: /scope }, authenticate: { all_of: [keys, idp] }, authorize: { scopes: ["a:read"] } }
  - { name: once, match: { path: /once }, limit: [once] }
)",
                  [&](const TempDir& dir) {
                    dir.write("jwks.json", issuer.jwks());
                    key = run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client",
                               "acme", "--roles", "partner"})
                              .out;
                    key.resize(key.find('\n'));
                  });
  const std::string both = "X-API-Key: " + key + "\r\nAuthorization: Bearer " + issuer.good() + "\r\n";
  const auto status = [&](const std::string& path) { return gateway.ask(get(path, both)).status; };
  CHECK(status("/user") == 200);
  for (const char* line : {"X-Client-Id: ann", "X-Client-Roles: clerk", "X-Client-Scopes: a:read a:write"})
    CHECK(origin.last().has(line));
  CHECK(gateway.log_line("\"path\":\"/user\"").find(R"("client":"ann","credential":"t1")") !=
        std::string::npos);
  CHECK(status("/lent") == 403);
  CHECK(status("/partner") == 200);
  CHECK(origin.last().has("X-Client-Id: acme"));
  CHECK(origin.last().has("X-Client-Roles: partner"));
  CHECK(origin.last().head.find("X-Client-Scopes") == std::string::npos);
  CHECK(status("/scope") == 403);
  CHECK(status("/once") == 200);
  CHECK(status("/once") == 429);
  gateway.advance(11min);  // the key is still good, the token is not
  CHECK(status("/partner") == 401);
}

TEST_CASE("a key's client, a token's subject and an address are three callers, though they are spelt alike") {
  const Issuer issuer;
  std::string key, address_key;
  Gateway gateway(R"(
authenticators:
  idp: { type: jwt, issuer: "https://idp", audiences: [api], algorithms: [ES256], jwks: { file: jwks.json } }
  keys: { type: api_key, file: keys.yaml }
limits: { once: { rate: 1/1h, by: client } }
defaults: { limit: [once] }
routes:
  - { name: any, match: { path: /any }, authenticate: { any_of: [keys, idp] }, respond: { status: 204 } }
  - { name: open, match: { path: /open }, authenticate: public, respond: { status: 204 } }
)",
                  [&](const TempDir& dir) {
                    dir.write("jwks.json", issuer.jwks());
                    const auto made = [&](const std::string& client) {
                      const Finished done = run(
                          {binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", client});
                      return "X-API-Key: " + done.out.substr(0, done.out.find('\n')) + "\r\n";
                    };
                    key = made("ann");
                    address_key = made("127.0.0.1");
                  });
  const std::string token = "Authorization: Bearer " + issuer.good() + "\r\n";  // its sub is ann
  for (const std::string& headers : {key, token, address_key}) {
    CHECK(gateway.ask(get("/any", headers)).status == 204);
    CHECK(gateway.ask(get("/any", headers)).status == 429);
  }
  CHECK(gateway.ask(get("/open")).status == 204);
  CHECK(gateway.ask(get("/open")).status == 429);
}
