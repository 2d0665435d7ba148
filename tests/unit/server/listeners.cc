// The files of a listener's TLS: what is made of those that change together.
#include "gateway/server/listeners.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/async/timer.h"
#include "gateway/server/background.h"
#include "gateway/server/generation.h"
#include "tests/support/process.h"
#include "tests/unit/async/support.h"

using namespace sallyport;

namespace {

constexpr size_t pairs = 6;

// A listener with that many pairs of certificate and key, and with authorities of clients.
struct Story {
  Story() {
    for (const std::string name : {"old", "new"}) {
      const std::string made = dir.path(name);
      REQUIRE(test::run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                         "-nodes", "-days", "30", "-subj", "/CN=" + name, "-keyout", made + ".key", "-out",
                         made + ".crt"})
                  .status == 0);
    }
    std::string all;
    for (size_t i = 0; i < pairs; ++i) {
      put(i, "old");
      all += "{ cert: " + file(i, "crt") + ", key: " + file(i, "key") + " }, ";
    }
    put_authorities("old");
    config::Problems problems;
    generation = server::Generation::make(
        dir.write("t.yaml",
                  "version: 1\nlisteners: [ { name: edge, address: 127.0.0.1:0, tls: { certificates: [ " +
                      all +
                      "], client_certificates: { mode: required, ca: ca.crt } } } ]\nroutes: [ { name: "
                      "r, match: { path: / }, authenticate: public, respond: { status: 204 } } ]\n"),
        process, &background, nullptr, problems);
    REQUIRE(problems.text() == "");
    generation->on_client_authorities([this] { ++authorities_changed; });
    before = material();
  }

  static std::string file(size_t i, const std::string& kind) { return std::to_string(i) + "." + kind; }
  void put(size_t i, const std::string& made) const {
    dir.write(file(i, "crt"), dir.read(made + ".crt"));
    dir.write(file(i, "key"), dir.read(made + ".key"));
  }
  void put_authorities(const std::string& made) const { dir.write("ca.crt", dir.read(made + ".crt")); }
  // Until what has changed is read.
  void look() {
    for (int i = 0; i < 2; ++i) {
      test::advance(milliseconds(251));
      test::finish(loop, turn());
    }
  }
  Task<> turn() { co_await sleep(loop, milliseconds(1)); }
  const Live<server::TlsMaterial>& live() const { return *generation->listeners().front().tls; }
  std::shared_ptr<const server::TlsMaterial> material() const { return live().load(); }
  bool renewed(size_t i) const { return material()->certificates[i] != before->certificates[i]; }

  test::TempDir dir;
  Loop loop;
  net::Resolver resolver{loop};
  observe::Metrics metrics;
  Cache process;
  server::MainBackground background{loop, resolver, metrics};
  std::shared_ptr<server::Generation> generation;
  std::shared_ptr<const server::TlsMaterial> before;
  int authorities_changed = 0;
};

}  // namespace

TEST_CASE("certificates that are swapped together are taken at once: workers make their contexts once") {
  Story s;
  const uint64_t version = s.live().version();
  for (size_t i = 0; i < pairs; ++i) s.put(i, "new");
  s.put_authorities("new");
  s.look();
  CHECK(s.live().version() == version + 1);
  for (size_t i = 0; i < pairs; ++i) CHECK(s.renewed(i));
  CHECK(s.authorities_changed == 1);
  s.look();
  CHECK(s.live().version() == version + 1);
}

TEST_CASE("of certificates that are swapped together one is half there: the others are taken, and it later") {
  Story s;
  const uint64_t version = s.live().version();
  for (size_t i = 0; i < pairs - 1; ++i) s.put(i, "new");
  s.dir.write(Story::file(2, "key"), s.dir.read("old.key"));
  s.look();
  CHECK(s.live().version() == version + 1);
  for (size_t i = 0; i < pairs; ++i) CHECK(s.renewed(i) == (i != 2 && i != pairs - 1));
  CHECK(s.authorities_changed == 0);
  s.put(2, "new");
  s.look();
  CHECK(s.renewed(2));
  CHECK(s.live().version() == version + 2);
}

TEST_CASE("authorities that are none leave those before in force, and no certificate waits for them") {
  Story s;
  s.put(0, "new");
  s.dir.write("ca.crt", "nonsense");
  s.look();
  CHECK(s.renewed(0));
  CHECK(s.material()->client_authorities == s.before->client_authorities);
  CHECK(s.authorities_changed == 0);
}
