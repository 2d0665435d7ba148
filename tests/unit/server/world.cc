// What a worker makes of a config that has been checked, when its files are gone since then.
#include <doctest/doctest.h>

#include <filesystem>

#include "gateway/core/exchange.h"
#include "tests/support/conf.h"
#include "tests/unit/core/support.h"

using namespace sallyport;
using test::Conf;

TEST_CASE(
    "a worker needs none of the config's files: all were read when it was checked, and no policy is left "
    "out") {
  const Conf conf;
  const test::Checked checked = Conf::check(
      "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, plaintext: true }]\n"
      "authenticators: { idp: { type: jwt, issuer: \"https://idp\", audiences: [a], algorithms: [ES256], "
      "jwks: { url: \"https://127.0.0.1:1/jwks\", ca: tls/tls.crt } } }\n"
      "routes:\n  - { name: r, match: { path: / }, authenticate: { any_of: [idp] }, respond: { status: 204 "
      "} }\n"
      "  - { name: s, match: { path: /s }, authenticate: public, respond: { status: 204 } }\n",
      conf.path());
  REQUIRE(checked.problems.text() == "");
  std::filesystem::remove_all(conf.path());

  Loop loop;
  net::Resolver resolver(loop);
  Cache process, worker;
  observe::Metrics metrics;
  const auto world =
      server::build_world(checked.generation, {0, loop, resolver, process, worker, metrics, nullptr});
  const ConnectionInfo connection;
  test::NoResponder responder;
  const auto status_of = [&](size_t route) {
    Exchange x(loop, connection, responder);
    x.world = world;
    x.route = world->all[route].get();
    const Task<> run = world->all[route]->chain.run(x);
    CHECK(run.done());
    return x.response.status;
  };
  CHECK(status_of(0) == 401);
  CHECK(status_of(1) == 204);
}

TEST_CASE("a worker compiles no pattern: the schemas that stand in the config are shared by all") {
  const test::Checked checked = Conf::check(
      "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, plaintext: true }]\nroutes:\n"
      "  - { name: r, match: { path: / }, authenticate: public, respond: { status: 204 },\n"
      "      validate: { query: { a: { pattern: \"^a+$\", required: true } }, body: {\n"
      "        schema: { type: object, required: [a] } } } }\n",
      "/nonexistent");
  REQUIRE(checked.problems.text() == "");
  CHECK(checked.generation->cache().find<void>("validate.parameter:5:31") != nullptr);
  CHECK(checked.generation->cache().find<void>("validate.body:6:17") != nullptr);
}
