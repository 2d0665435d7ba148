// Raw targets to the real binary, and what becomes of each under a route that refuses, merges or keeps what
// backends read in two ways (match.slashes, match.parameters): no reading of a path leads past its route.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

// What of a target's three readings comes: "400", "404", "admin" (the protected route answers), or the path
// that the backend is asked for.
struct Target {
  std::string target;
  std::string refused, merged, kept;
};

const std::vector<Target> targets = {
    {"/x", "/x", "/x", "/x"},
    {"/x/", "/x/", "/x/", "/x/"},
    {"/admin/x", "admin", "admin", "admin"},
    {"/%61dmin/x", "admin", "admin", "admin"},
    {"//admin/x", "400", "400", "400"},  // the protected route neither merges nor keeps
    {"/admin//x", "400", "400", "400"},
    {"///x", "400", "/x", "400"},
    {"/x//y///", "400", "/x/y/", "400"},
    {"//", "400", "/", "400"},
    {"//nobody.test/x", "400", "/nobody.test/x", "400"},
    {"http://@//admin/x", "400", "400", "400"},
    {"/x;a/y", "400", "400", "/x;a/y"},
    {"/x;jsessionid=1?q", "400", "400", "/x;jsessionid=1?q"},
    {"/x/;a/y", "400", "400", "/x/;a/y"},
    {"/admin;a/x", "400", "400", "400"},
    {"/;a/admin/x", "400", "400", "400"},
    {"/x;a/../admin/x", "400", "400", "400"},
    {"/admin/x;a", "400", "400", "400"},
    {"//x;a", "400", "400", "400"},
    {"/x/%3Ba", "/x/%3Ba", "/x/%3Ba", "/x/%3Ba"},
    {"/admin%3ba/x", "400", "400", "400"},  // for whoever decodes, and cuts then
    {"/x%3Ba/admin/x", "/x%3Ba/admin/x", "/x%3Ba/admin/x", "/x%3Ba/admin/x"},
    {"/x%40b,%2C%3a!", "/x%40b,%2C%3A!", "/x%40b,%2C%3A!", "/x%40b,%2C%3A!"},
    {"/admin/%2e%2e;/x", "400", "400", "400"},
    {"/admin/..%3B/x", "400", "400", "400"},
    {"/x/..;/admin/x", "400", "400", "400"},
    {"/x/%2e%2e/admin/x", "400", "400", "400"},
    {"/./admin/x", "400", "400", "400"},
    {"/%2Fadmin/x", "400", "400", "400"},
    {"/x%2f..%2fadmin/x", "400", "400", "400"},
    {"/x%5C..%5Cadmin/x", "400", "400", "400"},
    {"/\\admin/x", "400", "400", "400"},
    {"/%252e%252e/x", "/%252e%252e/x", "/%252e%252e/x", "/%252e%252e/x"},
};

std::string routes_of(const std::string& host, const std::string& more) {
  return "  - { name: admin-" + host + ", match: { host: " + host +
         R"(.test, path: "/admin/{rest...}" }, authenticate: public, respond: { status: 203 } }
  - { name: all-)" +
         host + ", match: { host: " + host + R"(.test, path: "/{rest...}")" + more +
         " }, authenticate: public, forward: { to: web } }\n";
}

std::string outcome(const Gateway& gateway, const Origin& origin, const std::string& host,
                    std::string target) {
  if (const size_t at = target.find('@'); at != std::string::npos) target.replace(at, 1, host + ".test");
  const size_t before = origin.requests().size();
  const Response r = gateway.ask("GET " + target + " HTTP/1.1\r\nHost: " + host + ".test\r\n\r\n");
  if (r.status == 203) return "admin";
  if (r.status != 200) return std::to_string(r.status);
  const std::string head = origin.requests().size() > before ? origin.last().head : "";
  return head.substr(4, head.find(" HTTP/1.1") - 4);
}

}  // namespace

TEST_CASE("paths: no reading of one leads past the route that the router has seen") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + "\"] }\nroutes:\n" +
                  routes_of("refused", "") + routes_of("merged", ", slashes: merge") +
                  routes_of("kept", ", parameters: keep"));
  for (const Target& t : targets) {
    CAPTURE(t.target);
    CHECK(outcome(gateway, origin, "refused", t.target) == t.refused);
    CHECK(outcome(gateway, origin, "merged", t.target) == t.merged);
    CHECK(outcome(gateway, origin, "kept", t.target) == t.kept);
  }
}

TEST_CASE("paths: no reading of one moves a value to another segment") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + R"("] }
routes:
  - name: kept
    match: { path: "/k/{tenant}/{rest...}", parameters: keep }
    authenticate: public
    forward: { to: web }
  - { name: refused, match: { path: "/r/{tenant}/{rest...}" }, authenticate: public, forward: { to: web } }
)");
  const auto status = [&](const std::string& target) { return gateway.ask(get(target)).status; };
  for (const std::string good :
       {"/k/a/x", "/k/a;b/x;c/y", "/k/a/;b", "/k/a/;b/c", "/r/a%3Bb/x", "/r/a/%3Bb/x"}) {
    CAPTURE(good);
    CHECK(status(good) == 200);
  }
  for (const std::string bad :
       {"/k/;a/LONGTENANT/x", "/k/;/LONGTENANT/x", "/k/%3Ba/LONGTENANT/x", "/r/%3Ba/LONGTENANT/x"}) {
    CAPTURE(bad);
    CHECK(status(bad) == 400);
  }
}

TEST_CASE("paths: a protected route that merges or keeps is reached in every reading") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + R"("] }
routes:
  - name: admin
    match: { path: "/admin/{rest...}", slashes: merge, parameters: keep }
    authenticate: public
    forward: { to: web, path: "/protected/{rest...}" }
  - { name: get, match: { path: "/written;v=1", parameters: keep }, authenticate: public, respond: { status: 203 } }
  - { name: post, match: { path: /form, methods: [POST] }, authenticate: public, respond: { status: 203 } }
  - { name: all, match: { path: "/{rest...}", parameters: keep }, authenticate: public, respond: { status: 200 } }
)");
  const auto status = [&](const std::string& target) { return gateway.ask(get(target)).status; };
  CHECK(status("//admin///x;a=1/y") == 200);
  CHECK(origin.last().head.starts_with("GET /protected/x;a=1/y HTTP/1.1\r\n"));
  CHECK(status("/;b/admin/x") == 400);
  CHECK(status("/written;v=1") == 203);
  CHECK(status("/form") == 405);
  CHECK(status("/form;a") == 400);  // the method that the form does not take, past the list of its methods
  CHECK(status("/other;a") == 200);
  CHECK(gateway.log_line("/form;a", "\"reason\":\"path_parameters\"") != "");
}

// Backends read "%3A" as ":" (wsgiref, node, nginx and all that decode a path before they look at it).
TEST_CASE("paths: an escaped delimiter does not lead past the route that has it plain") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + R"("] }
routes:
  - { name: delete, match: { path: "/users:delete", methods: [POST] }, authenticate: public, respond: { status: 203 } }
  - { name: signs, match: { path: "/a!$&'()*+,=:@z/{x}" }, authenticate: public, respond: { status: 203 } }
  - { name: cut, match: { path: "/v;1", parameters: keep }, authenticate: public, respond: { status: 203 } }
  - { name: users, match: { path: "/u/{id}", parameters: keep }, authenticate: public, forward: { to: web } }
  - { name: me, match: { path: "/u/@me" }, authenticate: public, respond: { status: 203 } }
  - { name: all, match: { path: "/p/{rest...}", slashes: merge }, authenticate: public, forward: { to: web } }
  - { name: any, match: { path: "/{any}" }, authenticate: public, forward: { to: web } }
)");
  const auto status = [&](const std::string& target) { return gateway.ask(get(target)).status; };
  CHECK(gateway.ask("POST /users:delete HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n").status ==
        203);
  CHECK(status("/users:delete") == 405);
  CHECK(status("/users%3Adelete") == 400);  // the other route, or the same path with no such method
  CHECK(status("/users%3adelete") == 400);
  CHECK(status("/a!$&'()*+,=:@z/%3A") == 203);
  for (const char* escape : {"21", "24", "26", "27", "28", "29", "2A", "2B", "2C", "3D", "3A", "40"}) {
    std::string path = "/a!$&'()*+,=:@z/x";
    const char sign = static_cast<char>(std::stoi(escape, nullptr, 16));
    path.replace(path.find(sign), 1, std::string("%") + escape);
    CAPTURE(path);
    CHECK(status(path) == 400);  // where there is no other route, too
  }
  CHECK(status("/v%3B1") == 400);
  CHECK(status("/u/%40me") == 400);
  CHECK(status("/u/%40me;x") == 400);  // cut off, and decoded
  CHECK(status("/u/@me%3Bx;y") == 400);
  CHECK(status("/u/a%40b.test") == 200);
  CHECK(origin.last().has("GET /u/a%40b.test HTTP/1.1"));  // as it came
  CHECK(status("/p//x%3A") == 200);
  CHECK(status("/nobody/%3A") == 404);
  CHECK(gateway.log_line("/users%3Adelete", "\"reason\":\"escaped_delimiter\"") != "");
}

// A lenient decoder of UTF-8 takes "%C0%AE" for "." and "%C0%AF" for "/" (RFC 3629 section 10).
TEST_CASE("paths: no character is written longer than it is") {
  Gateway gateway(R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, respond: { status: 200 } }
)");
  const auto status = [&](const std::string& target) { return gateway.ask(get(target)).status; };
  for (const char* bad :
       {"/%C0%AE%C0%AE/admin", "/a%c0%af", "/%C1%9C", "/%E0%80%AF", "/%e0%9F%bf", "/%F0%80%80%AF",
        "/%F0%8F%BF%BF", "/%F8%80%80%80%AF", "/%FC%80%80%80%80%AF", "/%E2%82%AC%C0%80"}) {
    CAPTURE(bad);
    CHECK(status(bad) == 400);
  }
  for (const char* good : {"/%C3%B6", "/%E0%A0%80", "/%F0%90%80%80", "/%ED%9F%BF", "/%E0", "/%C0", "/%C0/%AF",
                           "/%C0a", "/%E9t%E9", "/%E0%80x", "/%FF%FE", "/%80", "/%C0%C0%FC"}) {
    CAPTURE(good);
    CHECK(status(good) == 200);
  }
  CHECK(gateway.log_line("\"reason\":\"overlong_utf8\"") != "");
}

TEST_CASE("paths: OPTIONS * asks for the gateway itself, not for what it serves at /") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + R"("] }
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web } }
)",
                  {}, {.more_listeners = "  - { name: http, address: \"127.0.0.1:0\", redirect: https }\n"});
  const std::string request = "OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n";
  auto client = gateway.connect();
  for (int i = 0; i < 2; ++i) CHECK(client->ask(request).status == 204);
  CHECK(Client(gateway.port("http"), {.tls = false}).ask(request).status == 204);
  CHECK(origin.requests().empty());
}
