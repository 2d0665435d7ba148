// `sallyport check` of whole configs: what is wrong is told, whatever else is wrong, and nothing that is
// missing is used.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gateway/config/yaml.h"
#include "tests/support/conf.h"
#include "tests/support/process.h"
#include "tests/unit/server/problems.h"

using namespace sallyport;
using namespace test;

namespace {

std::string limited(std::string_view limit) {
  return "limits: { a: " + std::string(limit) +
         " }\nroutes:\n  - { name: r, match: { path: / }, authenticate: public, limit: [a], respond: { "
         "status: "
         "204 } }\n"
         "  - { name: s, match: { path: /s }, authenticate: public, limit: [a], respond: { status: 204 } }\n";
}

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

TEST_CASE("parameters that no request has, or no value matches, are told at load") {
  const auto of = [](std::string_view path, const std::string& validate) {
    return problems_of("routes:\n  - { name: r, match: { path: \"" + std::string(path) +
                       "\" }, authenticate: public, respond: { status: 204 }, validate: { " + validate +
                       " } }\n");
  };
  CHECK(contains(of("/o/{id}", "path: { idd: {} }"), ": \"idd\" is not one of the {names} of match.path"));
  CHECK(contains(of("/o/{id}", "path: { idd: {} }"), "did you mean \"id\"?"));
  CHECK(contains(of("/o/id", "path: { id: {} }"), "is not one of the {names}"));
  CHECK(of("/o/{id}/{r...}", "path: { id: {}, r: {} }") == "");
  CHECK(contains(of("/", "headers: { \"X Tenant\": {} }"), "is not the name of a header"));
  CHECK(contains(of("/", "headers: { \"\": {} }"), "is not the name of a header"));
  CHECK(contains(of("/", "headers: { X-A: {}, x-a: {} }"), "\"X-A\" and \"x-a\" are one header"));
  CHECK(contains(of("/", "query: { a: { type: [] } }"), "a value has a type"));
  CHECK(contains(of("/", "query: { a: { enum: [] } }"), "expected a list of values"));
  CHECK(contains(of("/", "query: { a: { const: x, enum: [y] } }"), "write one of them"));
  for (std::string_view never : {"enum: [1, 2]", "const: 1", "const: true", "type: string, enum: [a, 1]",
                                 "type: integer, const: \"1\"", "type: boolean, enum: [1]",
                                 "type: integer, enum: [1, 1.5]", "type: integer, allOf: [{ const: 0.5 }]"}) {
    CAPTURE(never);
    CHECK(
        contains(of("/", "query: { a: { " + std::string(never) + " } }"), "no value is ever equal to this"));
  }
  CHECK(contains(of("/", "query: { a: { minimum: 1 } }"), "minimum says nothing here"));
  CHECK(of("/",
           "query: { a: { type: integer, enum: [1, 2], minimum: 1 }, b: { enum: [a, \"1\"] }, c: { type: "
           "[number, "
           "boolean], enum: [1.5, true] }, d: { required: true, const: x } }") == "");
}

TEST_CASE("what a part of a parameter's schema says of values that the parameter never has is told at load") {
  const auto of = [](const std::string& schema) {
    return problems_of(
        "routes:\n  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 }, "
        "validate: "
        "{ query: { n: { " +
        schema + " } } } }\n");
  };
  for (std::string_view nothing : {"allOf: [{ minimum: 1, maximum: 10 }]",
                                   "oneOf: [{ maximum: 10 }, { pattern: a }]",
                                   "anyOf: [{ not: { multipleOf: 2 } }]",
                                   "$ref: \"#/$defs/m\", $defs: { m: { maximum: 10 } }",
                                   "type: boolean, minimum: 1",
                                   "type: integer, pattern: \"^[0-9]{4}$\"",
                                   "type: integer, maxLength: 4",
                                   "type: number, allOf: [{ minLength: 1 }]",
                                   "maxItems: 2, items: { type: integer }",
                                   "type: integer, minItems: 1",
                                   "uniqueItems: true",
                                   "prefixItems: [{}]",
                                   "allOf: [{ items: {} }]",
                                   "properties: { a: {} }",
                                   "additionalProperties: false",
                                   "patternProperties: { a: {} }",
                                   "propertyNames: { maxLength: 1 }",
                                   "minProperties: 1",
                                   "anyOf: [{ maxProperties: 1 }, { const: a }]",
                                   "required: [a]",
                                   "not: { required: [a] }",
                                   "anyOf: [{ type: integer }, { type: string, maximum: 3 }]"}) {
    CAPTURE(nothing);
    CHECK(contains(of(std::string(nothing)), "says nothing here"));
  }
  for (std::string_view never :
       {"$ref: \"#/$defs/i\", $defs: { i: { type: integer } }", "type: integer, allOf: [{ type: string }]",
        "allOf: [{ allOf: [{ type: [integer, array] }] }]"}) {
    CAPTURE(never);
    CHECK(contains(of(std::string(never)), "no value is ever of this type"));
  }
  CHECK(contains(of("allOf: [{ $ref: \"#\" }]"), "comes back to itself"));
  for (const char* good :
       {"type: integer, allOf: [{ minimum: 1 }, { type: number }]",
        "anyOf: [{ type: string, maxLength: 3 }, { type: \"null\" }]",
        "anyOf: [{ type: string }, { pattern: a }]",
        "type: number, $ref: \"#/$defs/i\", $defs: { i: { type: integer, maximum: 10 }, "
        "unused: { minLength: 1 } }",
        "type: [integer, boolean], maximum: 3, not: { type: boolean, const: true }",
        "type: [string, \"null\"], enum: [a, null]", "required: true, not: { enum: [admin] }"}) {
    CAPTURE(good);
    CHECK(of(good) == "");
  }
}

TEST_CASE("what is to exclude something and never can, lets everything past, and is told at load") {
  const auto of = [](const std::string& schema) {
    return problems_of(
        "routes:\n  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 }, "
        "validate: { query: { n: { " +
        schema + " } } } }\n");
  };
  for (const char* open :
       {"not: { const: 0 }", "not: { enum: [0, 1] }", "type: integer, not: { enum: [\"5\"] }",
        "allOf: [{ not: { type: integer } }]", "not: { anyOf: [{ const: 1 }] }",
        "type: boolean, not: { const: \"true\" }", "anyOf: [{ not: { const: 0 } }, { maxLength: 1 }]",
        "$ref: \"#/$defs/n\", $defs: { n: { not: { const: 1 } } }",
        "oneOf: [{ enum: [a] }, { enum: [1, 2], maximum: 3 }, false]",
        "oneOf: [{ pattern: \"^[0-9]+$\" }, { const: 1 }]"}) {
    CAPTURE(open);
    CHECK(contains(of(open), "excludes nothing here"));
  }
  CHECK(
      of("not: { const: 0 }") ==
      "t.yaml:4:115: routes[0].validate.query.n: not excludes nothing here, as no value is ever read as what "
      "stands in it: a parameter is read as what the type at the top of its schema says, and as text without "
      "one\n");
}

TEST_CASE("a pattern is text, and a schema is there: what YAML reads as nothing checks nothing") {
  const auto of = [](const std::string& validate) {
    return problems_of(
        "routes:\n  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 }, "
        "validate: { " +
        validate + " } }\n");
  };
  CHECK(contains(of("query: { n: { pattern: ~ } }"), "expected a pattern: text"));
  CHECK(contains(of("query: { n: { pattern: 5 } }"), "expected a pattern: text"));
  CHECK(
      contains(of("body: { schema: { properties: { p: { pattern: null } } } }"), "expected a pattern: text"));
  CHECK(contains(of("body: { schema: ~ }"), "expected the name of a file, or a schema"));
  CHECK(contains(of("body: { schema: \"\" }"), "expected the name of a file, or a schema"));
  CHECK(contains(of("body: { schema: { properties: { null: { type: string } } } }"),
                 "a key that YAML reads as nothing (null, ~) is written between quotes"));
  CHECK(contains(of("query: { ~: {} }"), "is written between quotes"));
  CHECK(of("query: { \"null\": {} }") == "");
}

TEST_CASE("a branch of a parameter's schema that is never true is dead, and all of them are a fault") {
  const auto of = [](const std::string& schema) {
    return problems_of(
        "routes:\n  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 }, "
        "validate: { query: { n: { " +
        schema + " } } } }\n");
  };
  for (const char* good :
       {"type: string, not: { type: integer }", "anyOf: [{ const: a }, { type: integer, maximum: 3 }]",
        "anyOf: [{ type: string }, { type: array, items: { type: string }, maxItems: 3 }]",
        "type: integer, not: { type: string, pattern: a }", "not: { enum: [7, x] }",
        "oneOf: [{ enum: [a] }, { type: \"null\" }, false]",
        "anyOf: [{ pattern: a }, { allOf: [{ type: integer }, { maximum: 3 }] }]",
        "anyOf: [{ pattern: a }, { $ref: \"#/$defs/i\" }], $defs: { i: { type: integer, maximum: 3 } }",
        "anyOf: [{ pattern: a }, { oneOf: [{ const: 1 }, { const: 2 }], maximum: 3 }]",
        "type: integer, anyOf: [{ minimum: 3 }, { const: 1.5, maxLength: 3 }]"}) {
    CAPTURE(good);
    CHECK(of(good) == "");
  }
  CHECK(of("type: string, oneOf: [{ type: integer }, { type: \"null\" }]") ==
        "t.yaml:4:131: routes[0].validate.query.n: no value passes here, as none of these is ever true: a "
        "parameter is "
        "read as what the type at the top of its schema says, and as text without one; say it there\n");
  for (const char* none : {"type: [boolean, number], anyOf: [{ type: [string, array] }]",
                           "anyOf: [{ const: 1 }, { $ref: \"#/$defs/i\" }], $defs: { i: { enum: [1, 2] } }",
                           "allOf: [{ anyOf: [{ type: integer }, false] }]"}) {
    CAPTURE(none);
    CHECK(contains(of(none), "no value passes here"));
  }
}

TEST_CASE("what can never match, or is never reached, is told") {
  const auto of = [](const std::string& keys) {
    return problems_of(
        "routes:\n  - { name: r, match: { path: \"/{id}\" }, authenticate: public, respond: { status: "
        "204 }, " +
        keys + " }\n");
  };
  for (const char* type : {"array", "object", "[string, array]"}) {
    CAPTURE(type);
    for (const char* where : {"query", "path", "headers"})
      CHECK(contains(of("validate: { " + std::string(where) + ": { id: { type: " + type + " } } }"),
                     "no parameter is ever an "));
  }
  const std::string larger = "validate: { body: { schema: {}, max: 2MiB } }";
  CHECK(of("body: { max: 64KiB }, " + larger) ==
        "t.yaml:4:149: warning: validate.body.max 2MiB is never reached: body.max of route r lets 64KiB "
        "through; "
        "raise that one, or leave this one away\n");
  CHECK(contains(of(larger), "body.max of route r lets 1MiB through"));
  CHECK(of("body: { max: 2MiB }, " + larger) == "");
  CHECK(of("body: { max: 64KiB, mode: off }, " + larger) == "");
  CHECK(of("body: { max: 64KiB }, validate: { body: { schema: {} } }") == "");
  const std::string twice = problems_of(
      "limits: { a: { rate: 1/1s }, b: { rate: 1/1s, by: [ip, ip] } }\nroutes:\n  - { name: r, match: { "
      "path: / }, authenticate: public, limit: [a, a], respond: { status: 204 } }\n");
  CHECK(contains(twice, "t.yaml:5:69: the limit \"a\" is there twice"));
  CHECK(contains(twice, "by: \"ip\" is there twice"));
  CHECK(contains(of("authorize: { roles: [a, \"\"] }"), "a role without a name is none"));
  CHECK(contains(
      problems_of("authenticators: { i: { type: jwt, issuer: i, audiences: [a], algorithms: [ES256], jwks: { "
                  "url: \"https://i/\" }, roles_claim: \"\" } }\n"),
      "roles_claim cannot be empty"));
}

TEST_CASE("one cause gives one message, with the ends that are allowed") {
  const auto of = [](const std::string& path, const std::string& forward_path) {
    return problems_of(
        "upstreams: { app: { targets: [http://127.0.0.1:1] } }\nroutes:\n  - { name: r, match: { " + path +
        " }, authenticate: public, forward: { to: app, path: \"" + forward_path +
        "\" }, validate: { path: { id: {} } } }\n");
  };
  CHECK(of("path: \"orders/{id}\"", "/v1/{id}") ==
        "t.yaml:5:31: path \"orders/{id}\": a path begins with \"/\"\n");
  CHECK(of("", "/v1/{id}") == "t.yaml:5:23: routes[0].match needs \"path\"\n");
  CHECK(of("path: \"/orders/{id}\"", "v1") == "t.yaml:5:97: path \"v1\": a path begins with \"/\"\n");
  const auto authenticator = [](const std::string& keys) {
    return problems_of("authenticators: { a: { " + keys + " } }\n");
  };
  CHECK(authenticator("type: [api_key]") ==
        "t.yaml:3:30: authenticators.a.type: expected text, found a list\n");
  for (const std::string header : {"X_Api_Key", "X.Api-Key", "X-Api~Key"})
    CHECK(contains(authenticator("type: api_key, file: keys.yaml, header: " + header),
                   "write it with letters, digits and hyphens"));
  CHECK(authenticator("file: keys.yaml") == "t.yaml:3:22: authenticators.a needs \"type\"\n");
  const std::string jwt =
      "type: jwt, audiences: [a], algorithms: [ES256], jwks: { url: \"https://i/\" }, issuer: ";
  CHECK(authenticator(jwt + "~") == "t.yaml:3:109: authenticators.a.issuer: expected text, found nothing\n");
  CHECK(authenticator(jwt + "\"\"") == "t.yaml:3:109: issuer cannot be empty\n");
  const auto rate = [](const std::string& limit) {
    return problems_of("limits: { a: { " + limit + " } }\n");
  };
  for (const char* wrong : {"rate: 2000000/1s", "rate: 1/400d"})
    CHECK(contains(rate(wrong), "rate must be from 1/366d to 1000000/1s"));
  CHECK(contains(rate("rate: 0/1m"), "at least 1, in a time that is longer than 0"));
  for (const char* wrong : {"0", "2000000000"})
    CHECK(contains(rate("rate: 1/1s, burst: " + std::string(wrong)), "burst must be from 1 to 1000000000;"));
  const std::string negative = rate("rate: 1/1s, burst: -1");
  CHECK(negative.find('\n') == negative.size() - 1);
  const std::string leased = rate("rate: 1/1s, lease: 5");
  CHECK(leased.find('\n') == leased.size() - 1);
  CHECK(contains(rate("rate: 5/1s, lease: 10, store: r } }\nstores: { r: { url: redis://127.0.0.1"),
                 "lease must be from 1 to 5: "));
}

TEST_CASE("an access log that could not be opened is told, and none is made") {
  const test::TempDir dir;
  const std::string routes =
      "routes:\n  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 } }\n";
  const auto told = [&](const std::string& file) {
    return problems_of("log: { access: { to: \"file:" + file + "\" } }\n" + routes, dir.path());
  };
  CHECK(told("none/access.log") == "t.yaml:3:22: log.access.to: cannot open the access log: " +
                                       dir.path("none/access.log") + ": No such file or directory\n");
  CHECK(contains(told(dir.path()), ": Is a directory\n"));
  CHECK(contains(told(dir.write("file", "") + "/access.log"), ": Not a directory\n"));
  CHECK(told("access.log") == "");
  CHECK_FALSE(std::filesystem::exists(dir.path("access.log")));
}

TEST_CASE("what is wrong with a certificate is told at the file of which it is wrong") {
  const Conf conf;  // with a certificate and its key
  const auto told = [&](const std::string& certificates, const std::string& more = "") {
    return Conf::check("version: 1\nlisteners:\n  - name: e\n    address: 127.0.0.1:0\n    tls:\n" + more +
                           "      certificates:\n        - " + certificates + "\n",
                       conf.path())
        .problems.text();
  };
  std::ofstream(conf.path() + "/broken.pem") << "-----BEGIN CERTIFICATE-----\nMIIB\n";
  const std::string other =
      "cd " + conf.path() + " && openssl ecparam -name prime256v1 -genkey -noout -out other.key 2>/dev/null";
  REQUIRE(std::system(other.c_str()) == 0);
  CHECK(told("{ cert: broken.pem, key: tls/tls.key }")
            .starts_with("t.yaml:7:19: listener e: broken.pem with "));
  CHECK(told("{ cert: tls/tls.crt, key: broken.pem }").starts_with("t.yaml:7:37: listener e: "));
  CHECK(told("{ cert: tls/tls.crt, key: other.key }").starts_with("t.yaml:7:37: listener e: "));
  CHECK(told("{ cert: tls/tls.crt, key: tls/tls.key }",
             "      client_certificates: { ca: broken.pem, mode: required }\n")
            .starts_with("t.yaml:6:34: listener e: client_certificates.ca holds no PEM"));
  CHECK(told("{ cert: tls/tls.crt, key: tls/tls.key }") == "");
}

TEST_CASE("what is wrong with a whole file is told with its name, without a line") {
  config::Problems problems;
  CHECK(config::read_document("/nonexistent", "gateway.yaml", problems) == nullptr);
  CHECK(problems.text() == "gateway.yaml: cannot read it: No such file or directory\n");
  problems.add({}, "and this");
  CHECK(problems.in_one_line() == "gateway.yaml: cannot read it: No such file or directory; and this");
}

TEST_CASE("a file of authorities that is empty is no word for the system's") {
  const Conf conf;
  std::ofstream(conf.path() + "/empty.pem").close();
  const std::string told = "the ca file holds no PEM certificate";
  CHECK(
      contains(problems_of("upstreams: { a: { targets: [\"https://127.0.0.1\"], tls: { ca: empty.pem } } }\n",
                           conf.path()),
               told));
  CHECK(contains(problems_of("stores: { a: { url: \"rediss://127.0.0.1\", tls: { ca: empty.pem } } }\n" +
                                 limited("{ rate: 1/1s, store: a }"),
                             conf.path()),
                 told));
}

TEST_CASE("what is left empty is told where it stands, and what has no word or no effect is told") {
  CHECK(problems_of("http:\n\n\nlog: {}\n").starts_with("t.yaml:3:1: "));
  const Conf conf;
  const std::string tls =
      "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, tls: { certificates: [{ cert: tls/tls.crt, "
      "key: "
      "tls/tls.key }], client_certificates: { ca: tls/tls.crt";
  CHECK(contains(Conf::check(tls + " } } }]\n", conf.path()).problems.text(),
                 "client_certificates: say what the ca is for: mode: required"));
  CHECK(Conf::check(tls + ", mode: off } } }]\n", conf.path()).problems.text() == "");
  CHECK(contains(
      problems_of("routes: [{ name: none, match: { path: / }, authenticate: public, respond: { status: "
                  "204 } }]\n"),
      "\"none\" is what logs and metrics call requests without a route"));
}
