// What the client gets: each row of the table in the contract, by the real binary over real TLS.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string routes(const Origin& origin) {
  return "upstreams:\n  web: { targets: [\"" + origin.target() +
         "\"], response_timeout: 5s }\n"
         "  gone: { targets: [\"http://127.0.0.1:1\"] }\n" +
         R"(
authenticators:
  partners: { type: api_key, file: keys.yaml, pepper: "env:KEY_PEPPER" }
limits:
  few: { rate: 2/1m, by: ip }
routes:
  - { name: open, match: { path: "/open/{rest...}" }, authenticate: public, forward: { to: web } }
  - { name: get-only, match: { path: /get-only, methods: [GET, HEAD] }, authenticate: public, respond: { status: 204 } }
  - { name: keyed, match: { path: /keyed }, authenticate: { any_of: [partners] }, forward: { to: web } }
  - { name: clerks, match: { path: /clerks }, authenticate: { any_of: [partners] }, authorize: { roles: [clerk] }, forward: { to: web } }
  - { name: limited, match: { path: /limited }, authenticate: public, limit: [few], respond: { status: 200, body: "fine" } }
  - { name: small, match: { path: /small }, authenticate: public, body: { max: 10B }, forward: { to: web } }
  - { name: gone, match: { path: /gone }, authenticate: public, forward: { to: gone } }
  - name: orders
    match: { path: "/orders/{id}" }
    authenticate: public
    validate:
      body: { schema: { type: object, required: [item], properties: { item: { type: string }, count: { type: integer, maximum: 9 } }, additionalProperties: false } }
      path: { id: { type: integer } }
      query: { page: { type: integer, minimum: 1 } }
    forward: { to: web }
)";
}

std::string make_key(const TempDir& dir, const std::string& roles) {
  const Finished made = run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "acme",
                             "--roles", roles, "--pepper", "env:KEY_PEPPER"},
                            {{"KEY_PEPPER", "a pepper of tests"}});
  return made.out.substr(0, made.out.find('\n'));
}

struct Story {
  std::string key;
  Origin origin;
  Gateway gateway{routes(origin), [this](const TempDir& dir) { key = make_key(dir, "guest"); }};
};

bool is_problem(const Response& r, int status) {
  return r.status == status && r.header("content-type") == "application/problem+json" &&
         r.header("x-request-id").size() == 32 &&
         r.body.find("\"status\":" + std::to_string(status)) != std::string::npos &&
         r.body.find("\"instance\":\"" + r.header("x-request-id") + "\"") != std::string::npos;
}

}  // namespace

TEST_CASE("a request goes through, and its line and counters tell of it") {
  Story s;
  const Response r = s.gateway.ask(
      get("/open/a?b=c", "X-Client-Id: me\r\nX_Client_Id: me\r\nConnection: TE\r\nTE: trailers\r\n"));
  CHECK(r.status == 200);
  CHECK(r.body == "ok");
  CHECK(r.header("x-request-id").size() == 32);
  const OriginRequest seen = s.origin.last();
  CHECK(seen.head.starts_with("GET /open/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"));
  CHECK(seen.has("X-Forwarded-For: 127.0.0.1"));
  CHECK(seen.has("X-Forwarded-Proto: https"));
  CHECK(seen.has("X-Forwarded-Host: api.test"));
  CHECK(seen.has("X-Request-Id: " + r.header("x-request-id")));
  CHECK(seen.head.find("traceparent: 00-") != std::string::npos);
  CHECK(seen.head.find("lient-") == std::string::npos);
  CHECK(seen.head.find("X_Client") == std::string::npos);
  CHECK(seen.head.find("TE") == std::string::npos);
  const std::string line = s.gateway.log_line(r.header("x-request-id"));
  CHECK(line.find(R"("method":"GET","host":"api.test","path":"/open/a","route":"open","status":200)") !=
        std::string::npos);
  CHECK(line.find("b=c") == std::string::npos);
  CHECK(s.gateway.has_metric(R"(sallyport_requests_total{method="GET",route="open",status="200"} 1)"));
}

TEST_CASE("404 and 405") {
  Story s;
  CHECK(is_problem(s.gateway.ask(get("/nowhere")), 404));
  const Response r = s.gateway.ask(post("/get-only", ""));
  CHECK(is_problem(r, 405));
  CHECK(r.header("allow") == "GET, HEAD");
}

TEST_CASE("400 and a close for what is ambiguous or malformed") {
  Story s;
  const std::string host = "Host: api.test\r\n";
  const std::vector<std::string> bad = {
      "POST /open/x HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST /open/x HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      "POST /open/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n",
      "POST /open/x HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET /open/x HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n",
      "GET /open/x HTTP/1.1\n" + host + "\r\n\r\n",
      "GET /open/x HTTP/1.1\r\n" + host + "A : b\r\n\r\n",
      "GET /open/x HTTP/1.1\r\n" + host + "A: b\x01\r\n\r\n",
      "GET /open/x HTTP/1.1\r\n" + host + std::string("A: b\0c\r\n\r\n", 10),
      "GET /open/x HTTP/1.1\r\n\r\n",
      "GET /open/x HTTP/1.1\r\n" + host + host + "\r\n",
      "GET /open/../x HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/%2e%2E/x HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/a%2fb HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/a%5cb HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/a%00 HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/%zz HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/x#f HTTP/1.1\r\n" + host + "\r\n",
      "GET  /open/x HTTP/1.1\r\n" + host + "\r\n",
      "GET /open/x HTTP/2.0\r\n" + host + "\r\n",
  };
  for (const std::string& request : bad) {
    CAPTURE(request);
    auto client = s.gateway.connect();
    CHECK(is_problem(client->ask(request), 400));
    CHECK(client->at_end());
  }
  CHECK(s.origin.requests().empty());
}

TEST_CASE("401 with a challenge") {
  Story s;
  const Response none = s.gateway.ask(get("/keyed"));
  CHECK(is_problem(none, 401));
  CHECK(none.header("www-authenticate") == "ApiKey header=\"X-API-Key\"");
  CHECK(is_problem(s.gateway.ask(get("/keyed", "X-API-Key: nonsense\r\n")), 401));
  const Response good = s.gateway.ask(get("/keyed", "X-API-Key: " + s.key + "\r\n"));
  CHECK(good.status == 200);
  CHECK(s.origin.last().has("X-Client-Id: acme"));
  CHECK(s.origin.last().has("X-Client-Roles: guest"));
  CHECK(s.origin.last().head.find("sp_") == std::string::npos);
}

TEST_CASE("403 for a missing role") {
  Story s;
  CHECK(is_problem(s.gateway.ask(get("/clerks", "X-API-Key: " + s.key + "\r\n")), 403));
  CHECK(s.gateway.has_metric(
      R"(sallyport_refusals_total{mode="enforce",policy="authorize",reason="role_missing",route="clerks"} 1)"));
}

TEST_CASE("429 over the limit, and welcome again when the time has come") {
  Story s;
  const Response first = s.gateway.ask(get("/limited"));
  CHECK(first.status == 200);
  CHECK(first.header("ratelimit-policy") == "\"few\";q=2;w=60");
  CHECK(first.header("ratelimit") == "\"few\";r=1;t=30");
  CHECK(s.gateway.ask(get("/limited")).status == 200);
  const Response over = s.gateway.ask(get("/limited"));
  CHECK(is_problem(over, 429));
  CHECK(over.header("retry-after") == "30");
  s.gateway.advance(31s);
  CHECK(s.gateway.ask(get("/limited")).status == 200);
}

TEST_CASE("413, 415 and 400 for a body") {
  Story s;
  CHECK(is_problem(s.gateway.ask(post("/small", "12345678901")), 413));
  const std::string chunked =
      "POST /small HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: "
      "chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n";
  CHECK(is_problem(s.gateway.ask(chunked), 413));
  CHECK(is_problem(s.gateway.ask(post("/orders/1", "{}", "Content-Type: text/plain\r\n")), 415));
  const Response wrong = s.gateway.ask(post("/orders/1", R"({"count":10,"extra":1})"));
  CHECK(is_problem(wrong, 400));
  CHECK(wrong.body.find(R"({"pointer":"","keyword":"required")") != std::string::npos);
  CHECK(wrong.body.find(R"({"pointer":"/count","keyword":"maximum")") != std::string::npos);
  CHECK(wrong.body.find(R"({"pointer":"/extra","keyword":"additionalProperties")") != std::string::npos);
  CHECK(is_problem(s.gateway.ask(post("/orders/1", R"({"item":"a","item":"b"})")), 400));
  CHECK(is_problem(s.gateway.ask(post("/orders/x", R"({"item":"a"})")), 400));
  CHECK(is_problem(s.gateway.ask(post("/orders/1?debug=1", R"({"item":"a"})")), 400));
  CHECK(s.gateway.ask(post("/orders/1?page=2", R"({"item":"a"})")).status == 200);
  CHECK(s.origin.last().body == R"({"item":"a"})");
}

TEST_CASE("a client that sends all of its content before it looks at the answer gets it") {
  Story s;
  const std::string much(8'000'000, 'x');
  for (const char* path : {"/small", "/nowhere"}) {
    auto client = s.gateway.connect();
    CHECK(client->send(post(path, much)));
    CHECK(is_problem(client->read(), path == std::string("/small") ? 413 : 404));
  }
}

TEST_CASE("431, 414 and 408") {
  Story s;
  CHECK(is_problem(s.gateway.ask(get("/open/x", "A: " + std::string(40000, 'a') + "\r\n")), 431));
  std::string many;
  for (int i = 0; i < 101; ++i) many += "A: b\r\n";
  CHECK(is_problem(s.gateway.ask(get("/open/x", many)), 431));
  CHECK(is_problem(s.gateway.ask(get("/open/" + std::string(9000, 'a'))), 414));
  auto slow = s.gateway.connect();
  CHECK(slow->ask(get("/get-only") + "GET /open/x HTTP/1.1\r\n").status ==
        204);  // so the half head has arrived, too
  s.gateway.advance(11s);
  CHECK(is_problem(slow->read(), 408));
  CHECK(slow->at_end());
}

TEST_CASE("503 for a dead upstream, and 502 for nonsense") {
  Story s;
  const Response dead = s.gateway.ask(get("/gone"));
  CHECK(is_problem(dead, 503));
  CHECK(dead.header("retry-after") == "1");
  CHECK(dead.body.find("127.0.0.1:1") == std::string::npos);
  Origin liar([](const OriginRequest&) { return "nonsense\r\n\r\n"; });
  Gateway gateway(routes(liar), [](const TempDir& dir) { make_key(dir, "guest"); });
  CHECK(is_problem(gateway.ask(get("/open/x")), 502));
}

TEST_CASE("504 for an upstream that is too slow") {
  std::atomic<bool> asked{false}, let_go{false};
  Origin slow([&](const OriginRequest&) {
    asked = true;
    eventually([&] { return let_go.load(); });
    return std::string();
  });
  Gateway gateway(routes(slow), [](const TempDir& dir) { make_key(dir, "guest"); });
  auto client = gateway.connect();
  client->send(get("/open/x"));
  CHECK(eventually([&] { return asked.load(); }));
  gateway.advance(6s);
  CHECK(is_problem(client->read(), 504));
  let_go = true;
}
