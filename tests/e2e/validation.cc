// What gets past a route that validates, and what the backend then gets: nothing but what was checked.
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

std::string routes(const Origin& origin) {
  return "upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\n" + R"(
routes:
  - name: orders
    match: { path: /orders, methods: [POST] }
    authenticate: public
    validate:
      body: { schema: { type: object, properties: { name: { type: string } }, additionalProperties: false } }
    forward: { to: web }
  - name: tenants
    match: { path: /tenants }
    authenticate: public
    validate: { headers: { X-Tenant: { enum: [acme] }, Cookie: { pattern: "^a=b$" } } }
    forward: { to: web }
  - name: pages
    match: { path: /pages }
    authenticate: public
    validate: { query: { page: { type: integer }, deep: { type: boolean }, text: { maxLength: 9 }, size: { type: [integer, "null"], minimum: 1 } } }
    forward: { to: web }
  - name: prices
    match: { path: "/prices/{level}" }
    authenticate: public
    validate:
      path: { level: { type: integer, enum: [1, 2] } }
      query: { page: { type: integer, minimum: 1, maximum: 10 }, price: { type: number, maximum: 10 } }
      headers: { X-Weight: { type: number, maximum: 10 } }
    forward: { to: web }
  - name: closed
    match: { path: /closed }
    authenticate: public
    validate: {}
    forward: { to: web }
  - name: loose
    match: { path: /loose }
    authenticate: public
    validate: { undescribed: allow }
    forward: { to: web }
)";
}

struct Story {
  Origin origin;
  Gateway gateway{routes(origin)};
};

std::string reason(const Gateway& gateway, const Response& r) {
  const std::string line = gateway.log_line(r.header("x-request-id"));
  const size_t at = line.find("\"reason\":\"");
  return at == std::string::npos ? "" : line.substr(at + 10, line.find('"', at + 10) - at - 10);
}

}  // namespace

TEST_CASE("JSON is UTF-8: a media type that says otherwise, or says it twice, is 415") {
  Story s;
  const std::string hidden = R"({"name":"x+ACI-,+ACI-role+ACI-:+ACI-admin"})";
  const std::string json = "Content-Type: application/json";
  for (const std::string& type :
       {json + "; charset=utf-7", json + ";charset=\"UTF-16\"", json + "; charset=gbk",
        json + "; charset=utf-8; charset=utf-7", json + ";;;=", json + ";, text/xml", json + ", text/xml",
        json + "; profile=x", json + "; charset", json + "; charset = utf-8", json + "\r\n" + json,
        json + "\r\nContent-Type: text/xml", std::string("Content-Type: application/x-json"),
        std::string("X: y")}) {
    CAPTURE(type);
    CHECK(s.gateway.ask(post("/orders", hidden, type + "\r\n")).status == 415);
  }
  CHECK(s.origin.requests().empty());
  CHECK(reason(s.gateway, s.gateway.ask(post("/orders", hidden, json + "; charset=utf-7\r\n"))) == "charset");
}

TEST_CASE("the backend gets the media type that was understood, not how it was written") {
  Story s;
  for (const char* type : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                           "application/json ;; CHARSET=\"UTF\\-8\";"}) {
    CAPTURE(type);
    const std::string header = std::string("Content-Type: ") + type + "\r\n";
    CHECK(s.gateway.ask(post("/orders", R"({"name":"x"})", header)).status == 200);
    CHECK(s.origin.last().has("Content-Type: application/json"));
  }
}

TEST_CASE("a coding in any Content-Encoding is 415") {
  Story s;
  const std::string json = "Content-Type: application/json\r\n";
  for (const char* coding :
       {"Content-Encoding: gzip\r\n", "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
        "Content-Encoding: identity, gzip\r\n", "Content-Encoding: ,br\r\n"}) {
    CAPTURE(coding);
    CHECK(s.gateway.ask(post("/orders", R"({"name":"x"})", json + coding)).status == 415);
  }
  CHECK(s.origin.requests().empty());
  for (const char* coding : {"identity", ",", "", "identity\r\nContent-Encoding: ,,"}) {
    CAPTURE(coding);
    const std::string header = std::string("Content-Encoding: ") + coding + "\r\n";
    CHECK(s.gateway.ask(post("/orders", R"({"name":"x"})", json + header)).status == 200);
    CHECK(s.origin.last().head.find("Content-Encoding") == std::string::npos);
  }
}

TEST_CASE("a listed header is there once, or the request is refused") {
  Story s;
  CHECK(s.gateway.ask(get("/tenants", "X-Tenant: acme\r\nCookie: a=b\r\n")).status == 200);
  for (const char* headers :
       {"X-Tenant: acme\r\nX-Tenant: ../../evil\r\n", "X-Tenant: acme\r\nx-tenant: acme\r\n",
        "Cookie: a=b\r\nCookie: c=d\r\n", "X-Tenant: evil\r\n"}) {
    CAPTURE(headers);
    const Response r = s.gateway.ask(get("/tenants", headers));
    CHECK(r.status == 400);
    CHECK(reason(s.gateway, r) == "parameter");
  }
  CHECK(s.origin.requests().size() == 1);
}

TEST_CASE("a number or a boolean is one from its first byte to its last") {
  Story s;
  for (const char* query : {"page=1", "page=-1", "page=%31", "deep=true&page=10"}) {
    CAPTURE(query);
    CHECK(s.gateway.ask(get(std::string("/pages?") + query)).status == 200);
    CHECK(s.origin.last().head.starts_with(std::string("GET /pages?") + query + " "));
  }
  const size_t passed = s.origin.requests().size();
  for (const char* query : {"page=%201%09", "page=1%20", "page=+1", "page=%2B1", "page=%0d%0a1", "page=01",
                            "page=1;a=b", "page=", "page", "page=0x1", "size=null", "size=%6eull", "size=0",
                            "deep=+true", "deep=True", "page=1&other=2"}) {
    CAPTURE(query);
    CHECK(s.gateway.ask(get(std::string("/pages?") + query)).status == 400);
  }
  CHECK(s.origin.requests().size() == passed);
}

TEST_CASE("a number is written so that every backend reads the one that was checked") {
  Story s;
  for (const char* target : {"/prices/1?page=10", "/prices/2?price=0.5", "/prices/1?price=-0.25",
                             "/prices/1?price=-123456789012345678", "/prices/1?price=1.50"}) {
    CAPTURE(target);
    CHECK(s.gateway.ask(get(target, "X-Weight: 9.75\r\n")).status == 200);
  }
  const size_t passed = s.origin.requests().size();
  for (const char* target :
       {"/prices/1?page=100000e-5", "/prices/1?page=1E0", "/prices/1?page=0.5e1", "/prices/1?page=5.0",
        "/prices/10e-1", "/prices/1.0", "/prices/1?price=100000e-5", "/prices/1?price=1E0",
        "/prices/1?price=10.0000000000000000001", "/prices/1?price=0.0000000000000001",
        "/prices/1?price=-123456789012345678901234567890"}) {
    CAPTURE(target);
    CHECK(s.gateway.ask(get(target)).status == 400);
  }
  CHECK(s.gateway.ask(get("/prices/1", "X-Weight: 99e-1\r\n")).status == 400);
  CHECK(s.gateway.ask(get("/prices/1", "X-Weight: 10.0000000000000000001\r\n")).status == 400);
  CHECK(s.origin.requests().size() == passed);
}

TEST_CASE("a query that some read otherwise is forwarded as it was read") {
  Story s;
  CHECK(s.gateway.ask(get("/pages?text=a+b;c&page=1")).status == 200);
  CHECK(s.origin.last().head.starts_with("GET /pages?text=a%20b%3Bc&page=1 "));
}

TEST_CASE("a parameter is pointed to as RFC 6901 writes its name") {
  Story s;
  CHECK(s.gateway.ask(get("/pages?a/b~c=1")).body.find(R"("pointer":"/query/a~1b~0c")") != std::string::npos);
}

TEST_CASE("a route that validates refuses what it does not describe") {
  Story s;
  const std::string chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string line = "GET /closed HTTP/1.1\r\n";
  for (const std::string& request : {post("/closed", "a"), line + "Host: a\r\nContent-Length: 1\r\n\r\na",
                                     line + chunked + "1\r\na\r\n0\r\n\r\n", get("/closed?a=b"),
                                     get("/closed?a"), post("/orders?a=b", R"({"name":"x"})")}) {
    CAPTURE(request);
    CHECK(s.gateway.ask(request).status == 400);
  }
  CHECK(s.origin.requests().empty());
  CHECK(reason(s.gateway, s.gateway.ask(post("/closed", "a"))) == "undescribed_content");
  for (const std::string& request :
       {get("/closed"), get("/closed?"), post("/closed", ""), line + chunked + "0\r\n\r\n",
        post("/loose?a+b", "a"), line + "Host: a\r\nContent-Length: 0\r\n\r\n"}) {
    CAPTURE(request);
    CHECK(s.gateway.ask(request).status == 200);
  }
  CHECK(s.origin.requests()[4].head.starts_with("POST /loose?a+b "));
}

TEST_CASE("with content and without, counted and chunked: a validating route decides, and never stumbles") {
  Story s;
  const std::string head = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  struct Case {
    std::string request;
    int status;
    const char* reason;
  };
  for (const Case& c : {Case{head + "\r\n", 400, "malformed_json"},
                        {head + "Content-Length: 0\r\n\r\n", 400, "malformed_json"},
                        {chunked + "0\r\n\r\n", 400, "malformed_json"},
                        {chunked + "1\r\n \r\n0\r\n\r\n", 400, "malformed_json"},
                        {chunked + "2\r\n{}\r\n0\r\n\r\n", 200, ""},
                        {chunked + "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200, ""},
                        {head + "Content-Length: 2\r\n\r\n{}", 200, ""},
                        {head + "Content-Length: 2\r\n\r\n[]", 400, "schema"}}) {
    CAPTURE(c.request);
    const Response r = s.gateway.ask(c.request);
    CHECK(r.status == c.status);
    CHECK(reason(s.gateway, r) == c.reason);
  }
  CHECK(s.gateway.stop() == 0);
  CHECK(s.gateway.errors().find("runtime error") == std::string::npos);
}

TEST_CASE("the value of a path parameter is good in both readings: with its matrix parameters and without") {
  Origin origin;
  Gateway gateway("upstreams: { web: { targets: [\"" + origin.target() + R"("] } }
routes:
  - name: order
    match: { path: "/orders/{id}", parameters: keep }
    authenticate: public
    validate: { path: { id: { pattern: "^[0-9;]{2,}" } } }
    forward: { to: web }
  - name: suffix
    match: { path: "/suffix/{id}", parameters: keep }
    authenticate: public
    validate: { path: { id: { pattern: ";x$" } } }
    forward: { to: web, path: "/v1/{id}" }
  - name: files
    match: { path: "/files/{rest...}", parameters: keep }
    authenticate: public
    validate: { path: { rest: { pattern: "^[a-z/;0-9]*$", maxLength: 7 } } }
    forward: { to: web }
  - { name: open, match: { path: "/open/{id}", parameters: keep }, authenticate: public, validate: { path: { id: { not: { enum: ["7"] } } } }, forward: { to: web } }
  - { name: closed, match: { path: "/closed/{id}" }, authenticate: public, validate: { path: { id: { not: { enum: [admin] } } } }, forward: { to: web } }
)");
  for (const char* target : {"/orders/42", "/orders/42;x", "/files/a;1/b;2", "/files/;1/b",
                             "/files/a%3B1/b;2", "/closed/a%3Bb", "/closed/admin%253Bx", "/open/8%3Bv;w"}) {
    CAPTURE(target);
    CHECK(gateway.ask(get(target)).status == 200);
    CHECK(origin.last().head.starts_with(std::string("GET ") + target + " "));
  }
  const size_t passed = origin.requests().size();
  for (const char* target : {"/orders/4;2", "/orders/;42", "/orders/x;42", "/suffix/a;x", "/suffix/;x",
                             "/files/a;1/b;22", "/files/A;1", "/open/7", "/open/7;v=1", "/open/7%3Bv=1",
                             "/open/7%3bv;w", "/open/7;v%3Bw", "/closed/admin", "/closed/admin%3Bx"}) {
    CAPTURE(target);
    CHECK(gateway.ask(get(target)).status == 400);
  }
  CHECK(origin.requests().size() == passed);
  const Response cut = gateway.ask(get("/orders/4;2"));
  CHECK(cut.body.find(R"("pointer":"/path/id")") != std::string::npos);
}

TEST_CASE("content that is no JSON document, or has a member twice, is told where, and not what") {
  Story s;
  const auto told = [&](const std::string& body) {
    const Response r = s.gateway.ask(post("/orders", body, "Content-Type: application/json\r\n"));
    CHECK(r.status == 400);
    CHECK(r.body.find("secret") == std::string::npos);
    return r.body.substr(std::min(r.body.find("\"errors\""), r.body.size()));
  };
  CHECK(
      told(R"({"name":"secret",})") ==
      R"("errors":[{"pointer":"","keyword":"malformed_json","detail":"byte 17 cannot stand there, counted from 0"}]})"
      "\n");
  CHECK(told(R"({"name":"secret")").find("breaks off behind 16 bytes") != std::string::npos);
  CHECK(told(R"({"name":"secret","name":"secret"})").starts_with(R"("errors":[{"pointer":"/name",)"));
  CHECK(told("").find("breaks off behind 0 bytes") != std::string::npos);
  CHECK(told("{\"name\":\"\xff\"}").find("not_utf8") != std::string::npos);
}

TEST_CASE("what is wrong is told in few bytes, whatever a client calls its members") {
  Gateway gateway(
      "routes:\n  - { name: m, match: { path: /m }, authenticate: public, respond: { status: 204 }, "
      "validate: { body: "
      "{ schema: { type: object, additionalProperties: { type: object, additionalProperties: { type: integer "
      "} } } } "
      "} }\n");
  const auto told = [&](const std::string& name) {
    std::string body = "{\"" + name + "\":{";
    for (int i = 0; i < 10; ++i) body += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":\"x\"";
    const Response r = gateway.ask(post("/m", body + "}}", "Content-Type: application/json\r\n"));
    CHECK(r.status == 400);
    return r.body;
  };
  CHECK(told("a~b/c").find(R"("pointer":"/a~0b~1c/k9","keyword":"type")") != std::string::npos);
  const std::string cut = told(std::string(63, 'a') + "\xc3\xbc" + std::string(500'000, 'b'));
  CHECK(cut.find("\"/" + std::string(63, 'a') + "…/k0\"") != std::string::npos);
  CHECK(told(std::string(500'000, '\x7f')).size() < 8000);
}

TEST_CASE("a document that takes more memory to read than there is is refused, and check warns of such") {
  const std::string route =
      "routes:\n  - { name: m, match: { path: /m }, authenticate: public, respond: { status: 204 }, "
      "validate: { body: "
      "{ schema: { type: array } } } }\n";
  const std::string large = "[" + std::string(900'000, ' ') + "]";
  const auto status = [&](const std::string& memory, const std::string& body) {
    Gateway gateway("http: { memory: " + memory + " }\n" + route);
    CHECK((gateway.errors().find("validate.body.max 1MiB: to read so much JSON takes up to 24MiB") !=
           std::string::npos) == (memory == "16MiB"));
    const Response r = gateway.ask(post("/m", body, "Content-Type: application/json\r\n"));
    if (r.status == 413) CHECK(reason(gateway, r) == "document_too_large");
    return r.status;
  };
  CHECK(status("16MiB", large) == 413);
  CHECK(status("16MiB", "[1]") == 204);
  CHECK(status("64MiB", large) == 204);
}

namespace {

std::string sizes(const Origin& origin) {
  return "upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\n" + R"(
routes:
  - name: shadow
    match: { path: /shadow }
    authenticate: public
    validate: { mode: shadow, body: { max: 1KiB, schema: { type: object } } }
    forward: { to: web }
  - name: both
    match: { path: /both }
    authenticate: public
    body: { max: 2KiB }
    validate: { mode: shadow, body: { schema: { type: object } } }
    forward: { to: web }
  - { name: small, match: { path: /small }, authenticate: public, body: { max: 1KiB }, forward: { to: web } }
  - { name: watched, match: { path: /watched }, authenticate: public, body: { mode: shadow, max: 1KiB }, forward: { to: web } }
  - { name: usual, match: { path: /usual }, authenticate: public, forward: { to: web } }
  - { name: any, match: { path: /any }, authenticate: public, body: { mode: off }, forward: { to: web } }
)";
}

struct SizesStory {
  Origin origin;
  Gateway gateway{sizes(origin)};
  std::string line_of(const Response& r) const { return gateway.log_line(r.header("x-request-id")); }
  bool counted(const std::string& route, const std::string& policy, const std::string& reason,
               const std::string& mode) {
    return gateway.has_metric("sallyport_refusals_total{mode=\"" + mode + "\",policy=\"" + policy +
                              "\",reason=\"" + reason + "\",route=\"" + route + "\"} 1");
  }
};

std::string chunked(const std::string& path, std::initializer_list<size_t> pieces) {
  std::string out =
      "POST " + path +
      " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  char letter = 'a';
  for (const size_t size : pieces) {
    char line[20];
    std::snprintf(line, sizeof line, "%zx\r\n", size);
    out += line + std::string(size, letter++) + "\r\n";
  }
  return out + "0\r\n\r\n";
}

}  // namespace

TEST_CASE("what a policy in shadow has read reaches the backend whole, whatever its limit") {
  SizesStory s;
  const std::string all = std::string(1000, 'a') + std::string(1000, 'b') + std::string(20, 'c');
  const Response r = s.gateway.ask(chunked("/shadow", {1000, 1000, 20}));
  CHECK(r.status == 200);
  CHECK(s.origin.last().body == all);
  CHECK(s.line_of(r).find(R"("would_refuse":"validate:body_too_large")") != std::string::npos);
  CHECK(s.gateway.ask(chunked("/shadow", {1000})).status == 200);
  CHECK(s.origin.last().body == all.substr(0, 1000));
  CHECK(s.gateway.ask(post("/shadow", all)).status == 200);
  CHECK(s.origin.last().body == all);
  CHECK(s.gateway.ask(chunked("/both", {1000, 1000, 20})).status == 200);  // no JSON
  CHECK(s.origin.last().body == all);
}

TEST_CASE("content that turns out too large while it passes is a refusal that is counted and told") {
  SizesStory s;
  for (const std::string& path : {"/small", "/both"}) {
    CAPTURE(path);
    const Response r = s.gateway.ask(chunked(path, {1000, 1000, 1000}));
    CHECK(r.status == 413);
    CHECK(s.line_of(r).find(R"("refused_by":"body","reason":"body_too_large")") != std::string::npos);
    CHECK(s.counted(path.substr(1), "body", "body_too_large", "enforce"));
  }
  for (const OriginRequest& seen : s.origin.requests()) CHECK(seen.body == Origin::broken_off);
  const Response r = s.gateway.ask(chunked("/watched", {1000, 1000, 1000}));
  CHECK(r.status == 200);
  CHECK(s.origin.last().body.size() == 3000);
  CHECK(s.line_of(r).find(R"("would_refuse":"body:body_too_large")") != std::string::npos);
  CHECK(s.counted("watched", "body", "body_too_large", "shadow"));
}

TEST_CASE("the default limit of content holds on a route that says nothing of it") {
  SizesStory s;
  const std::string huge = "POST /usual HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000003\r\n\r\n";
  CHECK(s.gateway.ask(huge).status == 413);
  CHECK(s.gateway.ask(chunked("/usual", {600'000, 600'000})).status == 413);
  CHECK(s.gateway.ask(chunked("/usual", {600'000})).status == 200);
  CHECK(s.gateway.ask(chunked("/any", {600'000, 600'000})).status == 200);
  const Finished shown = run({binary(), "show", s.gateway.dir().path("gateway.yaml")});
  CHECK(shown.out.find("body:\n      mode: enforce\n      max: 1MiB") != std::string::npos);
}

namespace {

// Pages of memory that a process holds itself.
size_t own_pages(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  size_t all = 0, resident = 0, shared = 0;
  statm >> all >> resident >> shared;
  return resident - shared;
}

}  // namespace

TEST_CASE("validators of many routes that have each seen a large document hold no more than those of one") {
  Origin origin;
  std::string config = "upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\nroutes:\n";
  for (int i = 0; i < 30; ++i) {
    config +=
        "  - { name: r" + std::to_string(i) + ", match: { path: /" + std::to_string(i) +
        " }, authenticate: public, validate: { body: { schema: { type: array } } }, forward: { to: web } }\n";
  }
  Gateway gateway(config);
  std::string large = "[0";
  for (int i = 0; i < 500'000; ++i) large += ",0";
  large += "]";
  auto client = gateway.connect();
  // What is freed comes back late in a sanitizer's build; so often, it has settled.
  for (int i = 0; i < 30; ++i) CHECK(client->ask(post("/0", large)).status == 200);
  const size_t one = own_pages(gateway.process().pid());
  for (int i = 0; i < 30; ++i) CHECK(client->ask(post("/" + std::to_string(i), large)).status == 200);
  CHECK(own_pages(gateway.process().pid()) < one + (64u << 20) / 4096);
}
