// `sallyport check` of whole configs: what is wrong is told, whatever else is wrong, and nothing that is
// missing is used.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/conf.h"

using namespace sallyport;
using test::Conf;

namespace {

constexpr std::string_view head =
    "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, plaintext: true }]\n";

std::string problems_of(const std::string& rest, const std::string& directory = "/nonexistent") {
  const test::Checked checked = Conf::check(std::string(head) + rest, directory);
  CHECK_FALSE(checked.refused_without_a_word());
  return checked.problems.text();
}

std::string limited(std::string_view limit) {
  return "limits: { a: " + std::string(limit) +
         " }\nroutes:\n  - { name: r, match: { path: / }, authenticate: public, limit: [a], respond: { "
         "status: "
         "204 } }\n"
         "  - { name: s, match: { path: /s }, authenticate: public, limit: [a], respond: { status: 204 } }\n";
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("a limit that is wrong is told, and no route counts by it") {
  CHECK(problems_of(limited("{ rate: 1/1s, by: ip, store: rediss }")) ==
        "t.yaml:3:43: there is no store \"rediss\"\n");
  CHECK(problems_of(limited("{ rate: 1/1s, by: \"header:\" }")) ==
        "t.yaml:3:32: \"header:\" is none of client, ip, route, header:NAME, claim:NAME\n");
  CHECK(contains(problems_of(limited("{ rate: 0/1s, store: x }")), "is not a rate"));
  CHECK(contains(problems_of(limited("[1]")), "expected a map"));
  CHECK(problems_of(limited("{ rate: 1/1s }")) == "");
}

TEST_CASE("what is told once, or not any more, is wrong all the same") {
  std::string many;  // more problems than are kept
  for (int i = 0; i < 150; ++i)
    many += "  - { name: n" + std::to_string(i) + ", match: { path: /n" + std::to_string(i) + " } }\n";
  const std::string all = problems_of(limited("{ rate: 1/1s, store: rediss }") + many);
  CHECK(contains(all, "says nothing about who may call it"));
  const std::string schemas = problems_of(
      "routes:\n  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 }, validate: "
      "{ query: { a: { typo: 1 }, b: { typ: 1 } }, body: { schema: { properties: { x: 7 } } } } }\n" +
      many);
  CHECK_FALSE(schemas.empty());
}

TEST_CASE("names of things that are wrong, or that are not there, are told") {
  const std::string route =
      "routes:\n  - { name: r, match: { path: / }, authenticate: { any_of: [keys] }, forward: { to: app } "
      "}\n";
  CHECK(contains(problems_of(route), "there is no authenticator \"keys\""));
  CHECK(contains(problems_of(route), "there is no upstream \"app\""));
  CHECK(contains(problems_of("authenticators: { keys: [] }\nupstreams: { app: 7 }\n" + route),
                 "authenticators.keys: expected a map"));
  CHECK(
      contains(problems_of("authenticators: { keys: { type: api_key, file: no.yaml } }\nupstreams: { app: { "
                           "targets: [ftp://x] } }\n" +
                           route),
               "\"ftp://x\" is not a target"));
}

TEST_CASE("a value that is refused is not used: neither an empty path nor a size that no memory has") {
  const auto guarded = [](const std::string& authenticator) {
    return problems_of(
        "authenticators: { a: { " + authenticator +
        " } }\nroutes:\n  - { name: r, match: { path: / }, authenticate: { all_of: [a] }, respond: { "
        "status: 204 } }\n");
  };
  CHECK(guarded("type: api_key, file: \"\"") ==
        "t.yaml:3:45: authenticators.a.file: expected the path of a file\n");
  CHECK(contains(
      guarded("type: jwt, issuer: i, audiences: [a], algorithms: [ES256], jwks: { url: \"https://i/\" }, "
              "cache: 4294967295"),
      "cache must be from 1 to 1000000"));
  CHECK(contains(
      problems_of(
          "routes:\n  - { name: r, match: { path: / }, authenticate: public, forward: { to: \"\" } }\n"),
      "there is no upstream \"\""));
  CHECK(contains(problems_of("admin: { address: 1 }\n"), "\"1\" is no address"));
  CHECK(contains(
      problems_of(
          "routes:\n  - { name: r, match: { path: /, methods: [1] }, authenticate: public, respond: { "
          "status: 204 } }\n"),
      "\"1\" is not a method"));
}
