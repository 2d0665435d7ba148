// Every kind of route, with content and without, counted and not, over both versions of HTTP: it decides the
// same, and the backend gets the same.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

const std::string document = R"({"a":1})";

std::string routes(const Origin& origin) {
  return "upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\n" + R"(
limits: { few: { rate: 1/1d, by: client } }
authenticators: { keys: { type: api_key, file: keys.yaml } }
routes:
  - { name: open, match: { path: /open }, authenticate: public, forward: { to: web } }
  - { name: keyed, match: { path: /keyed }, authenticate: { any_of: [keys] }, forward: { to: web } }
  - { name: limited, match: { path: /limited }, authenticate: public, limit: [few], forward: { to: web } }
  - { name: small, match: { path: /small }, authenticate: public, body: { max: 4B }, forward: { to: web } }
  - name: checked
    match: { path: /checked }
    authenticate: public
    validate: { body: { schema: { type: object, properties: { a: { type: integer } } } } }
    forward: { to: web }
  - name: refused
    match: { path: /refused }
    authenticate: public
    validate: { body: { schema: { type: array } } }
    forward: { to: web }
  - name: shadow
    match: { path: /shadow }
    authenticate: public
    validate: { mode: shadow, body: { schema: { type: array } } }
    forward: { to: web }
  - name: closed
    match: { path: /closed }
    authenticate: public
    validate: {}
    forward: { to: web }
  - { name: own, match: { path: /own }, authenticate: public, respond: { status: 204 } }
)";
}

// What a kind of route says to a POST with the document, and to one without content.
struct Kind {
  std::string path;
  int with, without;
};
const std::vector<Kind> kinds = {
    {"/open", 200, 200},    {"/keyed", 401, 401},   {"/limited", 429, 429}, {"/small", 413, 200},
    {"/checked", 200, 400}, {"/refused", 400, 400}, {"/shadow", 200, 200},  {"/closed", 400, 200},
    {"/own", 204, 204},     {"/missing", 404, 404},
};

// How curl sends it; what is uploaded from a pipe has no length.
struct Way {
  std::string name;
  bool content;
  std::string arguments;
};
const std::vector<Way> ways = {
    {"no content", false, "-X POST"},
    {"a length of 0", false, "-X POST --data ''"},
    {"an untold length that is 0", false, "-X POST -T -"},
    {"a length", true, "-X POST --data '" + document + "'"},
    {"an untold length", true, "-X POST -T -"},
};

std::string statuses(const Gateway& gateway, const Kind& kind, const Way& way, const std::string& version) {
  const std::string url = " https://127.0.0.1:" + std::to_string(gateway.port()) + kind.path;
  const std::string piped = way.content ? "printf '%s' '" + document + "' | " : "printf '' | ";
  // The second one shows that the first has left nothing on the connection.
  return run({"sh", "-c",
              piped + "curl -sk " + version + " -o /dev/null -w '%{http_version} %{http_code} ' " +
                  way.arguments + " -H 'Content-Type: application/json'" + url + " --next -sk " + version +
                  " -o /dev/null -w '%{http_code} %{num_connects}'" + url.substr(0, url.rfind('/')) +
                  "/open"})
      .out;
}

}  // namespace

TEST_CASE("every kind of route decides of content, and of none, however it comes") {
  Origin origin;
  Gateway gateway(routes(origin),
                  [](const TempDir& dir) { dir.write("keys.yaml", "version: 1\nkeys: []\n"); });
  CHECK(gateway.ask(get("/limited")).status == 200);  // its one request
  for (const std::string version : {"1.1", "2"}) {
    for (const Kind& kind : kinds) {
      for (const Way& way : ways) {
        CAPTURE(version);
        CAPTURE(kind.path);
        CAPTURE(way.name);
        const size_t before = origin.requests().size();
        const int expected = way.content ? kind.with : kind.without;
        const std::string came = statuses(gateway, kind, way, version == "2" ? "--http2" : "--http1.1");
        CAPTURE(came);
        CHECK(came.starts_with(version + " " + std::to_string(expected) + " 200 "));
        const auto requests = origin.requests();
        REQUIRE(requests.size() == before + (expected == 200 ? 2 : 1));
        if (expected != 200) continue;
        CHECK(requests[before].head.starts_with("POST " + kind.path + " "));
        CHECK(requests[before].body == (way.content ? document : ""));
      }
    }
  }
  CHECK(gateway.stop() == 0);
}

TEST_CASE("a large upload that is answered at once goes through, whatever curl makes of an early end") {
  Origin origin;
  Gateway gateway(routes(origin),
                  [](const TempDir& dir) { dir.write("keys.yaml", "version: 1\nkeys: []\n"); });
  for (const std::string version : {"--http1.1", "--http2"}) {
    CAPTURE(version);
    const std::string url = "https://127.0.0.1:" + std::to_string(gateway.port()) + "/own";
    CHECK(run({"sh", "-c",
               "head -c 4000000 /dev/zero | curl -sk --max-time 20 " + version +
                   " -T - -o /dev/null -w '%{http_code} %{exitcode}' " + url})
              .out == "204 0");
  }
}
