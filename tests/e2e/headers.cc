// What a backend gets of the headers that a client sends: nothing that only others may say, no credential of
// the config, and no name that it could read as another one.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

// The names of the client's headers that the backend has got, in order.
std::string names(const OriginRequest& seen) {
  std::string out;
  for (size_t at = seen.head.find("\r\n") + 2; at < seen.head.size() - 2;
       at = seen.head.find("\r\n", at) + 2) {
    const std::string name = seen.head.substr(at, seen.head.find(':', at) - at);
    const bool ours = name == "Host" || name.starts_with("X-Forwarded-") || name == "X-Request-Id" ||
                      name == "traceparent" || name == "X-Client-Id";
    if (!ours || seen.head.compare(at, name.size() + 10, name + ": stranger") == 0)
      out += (out.empty() ? "" : " ") + name;
  }
  return out;
}

std::string all_of(const std::vector<std::string>& headers) {
  std::string out;
  for (const std::string& name : headers) out += name + ": stranger\r\n";
  return out;
}

}  // namespace

TEST_CASE("no credential of the config reaches a backend, on whichever route and in whichever spelling") {
  Origin origin;
  std::string key;
  Gateway gateway("upstreams: { web: { targets: [\"" + origin.target() + R"("] } }
authenticators:
  idp: { type: jwt, issuer: "https://idp", audiences: [api], algorithms: [ES256], jwks: { file: jwks.json } }
  partners: { type: api_key, header: X-Partner-Key, file: keys.yaml }
routes:
  - { name: open, match: { path: /open }, authenticate: public, forward: { to: web } }
  - { name: off, match: { path: /off }, authenticate: { mode: off, any_of: [idp] }, forward: { to: web } }
  - { name: keys, match: { path: /keys }, authenticate: { any_of: [partners] }, forward: { to: web } }
  - { name: keep, match: { path: /keep }, authenticate: { any_of: [partners] }, forward: { to: web, credentials: keep } }
)",
                  [&](const TempDir& dir) {
                    dir.write("jwks.json", Issuer().jwks());
                    const Finished done = run(
                        {binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "acme"});
                    key = "X-Partner-Key: " + done.out.substr(0, done.out.find('\n')) + "\r\n";
                  });
  const std::string others = "Authorization: Basic eA==\r\nX-Kept: 1\r\n" +
                             all_of({"X_Partner_Key", "x.partner-key", "X-Partner!Key", "authorization_"});
  for (const std::string path : {"/open", "/off", "/keys"}) {
    CAPTURE(path);
    CHECK(gateway.ask(get(path, key + others)).status == 200);
    CHECK(names(origin.last()) == "X-Kept authorization_");
  }
  CHECK(gateway.ask(get("/keep", key + others)).status == 200);
  CHECK(names(origin.last()) == "X-Partner-Key Authorization X-Kept authorization_");
}

TEST_CASE("what only a proxy may say, a stranger does not say to a backend") {
  Origin origin;
  const std::string routes = "upstreams: { web: { targets: [\"" + origin.target() + R"("] } }
routes: [ { name: x, match: { path: /x }, authenticate: public, forward: { to: web } } ]
)";
  const std::vector<std::string> plain = {"X-Forwarded-Port",
                                          "X-Forwarded-Prefix",
                                          "X-Forwarded-Ssl",
                                          "X-Forwarded-Scheme",
                                          "X-Forwarded-User",
                                          "X-Forwarded-Server",
                                          "X-Real-IP",
                                          "x-real-ip",
                                          "True-Client-IP",
                                          "CF-Connecting-IP",
                                          "X-Client-IP",
                                          "X-Cluster-Client-IP",
                                          "X-Original-URL",
                                          "X-Original-Host",
                                          "X-Rewrite-URL",
                                          "Remote-User",
                                          "X-Remote-User",
                                          "X-SSL-Client-S-DN",
                                          "SSL-Client-Verify",
                                          "X-Client-Cert",
                                          "Client-Cert",
                                          "Front-End-Https",
                                          "Proxy",
                                          "X-HTTP-Method-Override",
                                          "X-Forwarded",
                                          "Client-Cert-Chain",
                                          "X-Forwarded-Client-Cert"};
  const std::string spelt =
      all_of({"X_Real_IP", "x.forwarded.port", "Remote_User", "X-SSL_Client", "Content_Length",
              "Transfer_Encoding", "X_Forwarded_For", "Content.Type", "X*Client*Id"});
  const std::string never = all_of({"X-Client-Id", "X-Forwarded-Host", "Forwarded"});
  Gateway strict(routes);
  CHECK(strict.ask(get("/x", all_of(plain) + spelt + never + all_of({"X-Realm", "X_Kept"}))).status == 200);
  CHECK(names(origin.last()) == "X-Realm X_Kept");
  Gateway trusting("http: { trusted_proxies: [127.0.0.1] }\n" + routes);
  CHECK(trusting.ask(get("/x", all_of(plain) + spelt + never)).status == 200);
  std::string kept;
  for (const std::string& name : plain) kept += (kept.empty() ? "" : " ") + name;
  CHECK(names(origin.last()) == kept);
  Gateway other("http: { untrusted_headers: [X-Mine-*, Theirs] }\n" + routes);
  CHECK(other
            .ask(get("/x", all_of({"X-Mine-1", "X_Mine-1", "x-mine", "Theirs", "theirs!", "X-Real-IP",
                                   "Forwarded"})))
            .status == 200);
  CHECK(names(origin.last()) == "x-mine theirs! X-Real-IP");
}

TEST_CASE("a second spelling of a header that is validated is refused, and passes where nothing lists it") {
  Origin origin;
  Gateway gateway("upstreams: { web: { targets: [\"" + origin.target() + R"("] } }
routes:
  - { name: x, match: { path: /x }, authenticate: public, validate: { headers: { X-Tenant: { type: string, pattern: "^[a-z]+$" } } }, forward: { to: web } }
  - { name: s, match: { path: /s }, authenticate: public, validate: { mode: shadow, headers: { X-Region: { type: string } } }, forward: { to: web } }
)");
  for (const std::string name : {"X_Tenant", "x.tenant", "X~TENANT"}) {
    CAPTURE(name);
    for (const std::string beside : {"", "X-Tenant: acme\r\n"}) {
      const Response refused = gateway.ask(get("/x", beside + name + ": ../../evil\r\n"));
      CHECK(refused.status == 400);
      CHECK(refused.body.find("/headers/X-Tenant") != std::string::npos);
    }
  }
  CHECK(gateway.ask(get("/s", "X_Region: b\r\n")).status == 200);
  CHECK(names(origin.last()) == "X_Region");
  CHECK(gateway.ask(get("/x", "X-Tenant: acme\r\nX_Other: 1\r\n")).status == 200);
  CHECK(names(origin.last()) == "X-Tenant X_Other");
}

TEST_CASE(
    "a header that a limit counts by, or a route validates, reaches a backend in its own spelling only") {
  Origin origin;
  Gateway gateway(
      "limits: { each: { rate: 9/1h, by: [\"header:X-Lim\", ip] } }\nupstreams: { web: { targets: [\"" +
      origin.target() + R"("] } }
routes:
  - { name: x, match: { path: /x }, authenticate: public, limit: [each], forward: { to: web } }
  - { name: v, match: { path: /v }, authenticate: public, validate: { headers: { X-Tenant: { enum: [acme] } } }, forward: { to: web } }
  - { name: o, match: { path: /o }, authenticate: public, forward: { to: web } }
)");
  for (const std::string path : {"/x", "/o"}) {
    CAPTURE(path);
    CHECK(gateway.ask(get(path, all_of({"X-Lim", "X_Lim", "x.lim", "X_Other"}))).status == 200);
    CHECK(names(origin.last()) == "X-Lim X_Other");
  }
  CHECK(gateway.ask(get("/o", all_of({"x-tenant", "X_Tenant"}))).status == 200);
  CHECK(names(origin.last()) == "x-tenant");
}

TEST_CASE("a header that a limit counts by is there once, or the request is refused") {
  Origin origin;
  Gateway gateway(
      "limits: { each: { rate: 1/1h, by: \"header:X-Tenant\" } }\nupstreams: { web: { targets: [\"" +
      origin.target() + R"("] } }
routes:
  - { name: x, match: { path: /x }, authenticate: public, limit: [each], forward: { to: web } }
)");
  CHECK(gateway.ask(get("/x", "X-Tenant: a\r\n")).status == 200);
  for (const char* twice : {"X-Tenant: y1\r\nX-Tenant: a\r\n", "X-Tenant: y2\r\nA: b\r\nx-tenant: y2\r\n"}) {
    CAPTURE(twice);
    const Response refused = gateway.ask(get("/x", twice));
    CHECK(refused.status == 400);
    CHECK(gateway.log_line(refused.header("x-request-id"))
              .find(R"("refused_by":"limit","reason":"repeated_header")") != std::string::npos);
  }
  CHECK(gateway.ask(get("/x", "X-Tenant: y1\r\n")).status == 200);  // nothing was taken
  CHECK(gateway.ask(get("/x", "X-Tenant: a\r\n")).status == 429);
  CHECK(origin.requests().size() == 2);
}

TEST_CASE("a host has one reading: with the dot of the root it is the same, and an empty label is 400") {
  Gateway gateway(R"(
routes:
  - { name: api, match: { host: api.example.com, path: /x }, authenticate: public, respond: { status: 204 } }
  - { name: below, match: { host: "*.w.example.com", path: /x }, authenticate: public, respond: { status: 202 } }
  - { name: all, match: { path: /x }, authenticate: public, respond: { status: 200 } }
)");
  const auto ask = [&](const std::string& host) {
    return gateway.ask("GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status;
  };
  for (const char* host : {"api.example.com", "api.example.com.", "API.example.com.:8443"})
    CHECK(ask(host) == 204);
  for (const char* host : {"a.w.example.com.", "a.w.example.com.:80"}) CHECK(ask(host) == 202);
  CHECK(ask("w.example.com.") == 200);
  for (const char* host : {".w.example.com", "a..example.com", "api.example.com..", ".", "..", ".:80"}) {
    CAPTURE(host);
    CHECK(ask(host) == 400);
  }
}

TEST_CASE("what the config puts into a head is one header, or refused when it is read") {
  const TempDir dir;
  const auto check = [&](const std::string& respond) {
    const std::string file =
        dir.write("config.yaml",
                  "version: 1\nlisteners: [ { name: mesh, address: \"127.0.0.1:0\", plaintext: true } ]\n"
                  "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: "
                  "200, body: a, " +
                      respond + " } }\n");
    return run({binary(), "check", file});
  };
  CHECK(check(R"(content_type: "a/b; c=d", headers: { X-A: "b" })").status == 0);
  for (const std::string bad : {R"(content_type: "a/b\r\nX-Admin: 1")", R"(content_type: "a/b\n")",
                                R"(content_type: "a\0b")", R"(headers: { X-A: "b\r\nX-Admin: 1" })",
                                R"(headers: { "X-A\r\nX-Admin": "1" })", R"(headers: { "X A": "1" })"}) {
    CAPTURE(bad);
    const Finished refused = check(bad);
    CHECK(refused.status == 78);
    CHECK(refused.err.find("config.yaml:4:") != std::string::npos);
  }
}

TEST_CASE("respond: a header that the gateway writes itself is refused at load, with what to do") {
  const TempDir dir;
  const auto checked = [&](const std::string& name) {
    return run(
        {binary(), "check",
         dir.write("gateway.yaml",
                   "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n"
                   "routes: [ { name: x, match: { path: /x }, authenticate: public, respond: { status: "
                   "200, body: hi, headers: { " +
                       name + ": x } } } ]\n")});
  };
  for (const char* name : {"Cache-Control", "X-Mine", "Set-Cookie", "Location"})
    CHECK(checked(name).status == 0);
  for (const auto& [name, remedy] : {std::pair("content-type", "use content_type"),
                                     {"Content-Length", "leave it away"},
                                     {"Transfer-Encoding", "leave it away"},
                                     {"Connection", "leave it away"},
                                     {"Keep-Alive", "leave it away"},
                                     {"Trailer", "leave it away"},
                                     {"TE", "leave it away"},
                                     {"Upgrade", "leave it away"},
                                     {"X-Request-Id", "leave it away"}}) {
    const Finished done = checked(name);
    CAPTURE(name);
    CHECK(done.status == 78);
    CHECK_MESSAGE(done.err.find(remedy) != std::string::npos, done.err);
  }
}
