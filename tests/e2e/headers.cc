// What a backend gets of the headers that a client sends: nothing that only others may say, no credential of the
// config, and no name that it could read as another one.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"

using namespace sallyport::test;

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
