// What load says of a config: the first line of each problem names the place.
#include "gateway/config/load.h"

#include "tests/unit/config/load_support.h"

using namespace sallyport;
using namespace sallyport::config;
using namespace sallyport::config::testing;

TEST_CASE("the smallest config that is good") {
  const Loaded loaded = load_yaml(head);
  CHECK(loaded.problems.text() == "");
  REQUIRE(loaded.good());
  REQUIRE(loaded.model->listeners.size() == 1);
  CHECK(loaded.model->listeners[0].name == "mesh");
  CHECK(loaded.model->listeners[0].plaintext);
  CHECK(loaded.model->listeners[0].mark.line == 3);
  CHECK(loaded.model->workers.automatic);
  CHECK(loaded.model->http.header_bytes.count == 32 * 1024);
  CHECK_FALSE(loaded.model->admin.has_value());
  CHECK(loaded.document != nullptr);
}

TEST_CASE("a file that is not there, or is no YAML, is a problem and no crash") {
  const Loaded missing = load("/nonexistent/sallyport.yaml", plugin_keys);
  CHECK(missing.model == nullptr);
  CHECK_FALSE(missing.good());
  CHECK(contains(missing.problems.text(), "/nonexistent/sallyport.yaml"));

  CHECK(load_yaml("a: [").model == nullptr);
  CHECK(contains(problems_of("a: ["), "t.yaml:1:"));
  for (std::string_view text :
       {"", "42", "[1]", "version", "version: 1", "listeners: {}", "routes: 7\ndefaults: 7"}) {
    CAPTURE(text);
    CHECK_FALSE(problems_of(text).empty());
  }
}

TEST_CASE("relative paths start where the file is") {
  Directory dir;
  dir.write("sub/sallyport.yaml", R"(version: 1
listeners:
  - name: edge
    address: 0.0.0.0:8443
    tls: { certificates: [{ cert: tls.crt, key: "../tls.key" }] }
)");
  dir.write("sub/tls.crt", "x");
  dir.write("tls.key", "x");
  const Loaded loaded = load(dir / "sub/sallyport.yaml", plugin_keys);
  CHECK(loaded.problems.text() == "");
  CHECK(loaded.directory == dir / "sub");
  const auto& files = loaded.model->listeners[0].tls->certificates[0];
  CHECK(files.cert.shown == "tls.crt");
  CHECK(files.cert.resolved == dir / "sub/tls.crt");
  CHECK(files.cert.mark.line == 5);
}

TEST_CASE("an unknown key is named, with what was meant") {
  CHECK(problems_of(with_head("lisiteners: []\n")) ==
        "t.yaml:5:1: unknown key \"lisiteners\"; did you mean \"listeners\"?");
  CHECK(problems_of(with_head("http:\n  header_timout: 1s\n")) ==
        "t.yaml:6:3: unknown key \"header_timout\" in http; did you mean \"header_timeout\"?");
}

TEST_CASE("all problems are told at once, in the order of the file") {
  const std::string all = problems_of(R"(version: 2
listeners:
  - { name: mesh, address: "127.0.0.1", plaintext: true }
http: { header_timeout: 10 }
shutdown: { drain_timeout: 30s, x: 1 }
)");
  CHECK(contains(all, "t.yaml:1:10: version 2 is not known: this Sallyport reads version 1"));
  CHECK(contains(all, "t.yaml:3:28: \"127.0.0.1\" has no port"));
  CHECK(contains(all, "t.yaml:4:25: http.header_timeout: "));
  const std::string glued =
      problems_of(std::string("version: 1\nlisteners: []\nstores: { r: { url: redis://a, ") +
                  "\"password:hunter2\": } }\n");
  CHECK(contains(glued, "unknown key \"password:…\" in stores.r; a key has a colon and a space behind it"));
  CHECK_FALSE(contains(glued, "hunter2"));
  CHECK(contains(all, "t.yaml:5:33: unknown key \"x\" in shutdown"));
  CHECK(all.find(":1:10:") < all.find(":3:28:"));
  CHECK(all.find(":4:25:") < all.find(":5:33:"));
}

TEST_CASE("version and listeners must be there") {
  CHECK(contains(problems_of("workers: 1"), "needs \"version\""));
  CHECK(contains(problems_of("version: 1"), "needs \"listeners\""));
  CHECK(problems_of("version: 1\nlisteners: []") == "t.yaml:2:12: listeners: at least one is needed");
}

TEST_CASE("names and addresses of listeners are unique") {
  const std::string twice = problems_of(R"(version: 1
listeners:
  - { name: a, address: 127.0.0.1:8081, plaintext: true }
  - { name: a, address: 127.0.0.1:8082, plaintext: true }
  - { name: b, address: 127.0.0.1:8081, plaintext: true }
  - { name: c, address: "unix:/run/s", plaintext: true }
  - { name: d, address: "unix:/run/s", plaintext: true }
  - { name: e, address: 127.0.0.1:0, plaintext: true }
  - { name: f, address: 127.0.0.1:0, plaintext: true }
admin: { address: 127.0.0.1:8082 }
)");
  CHECK(contains(twice, "t.yaml:4:5: a second listener is called \"a\": the first is at line 3"));
  CHECK(contains(twice, "t.yaml:5:5: listener \"b\" has the address 127.0.0.1:8081, as has listener \"a\""));
  CHECK(contains(twice, "t.yaml:7:5: listener \"d\" has the address unix:/run/s, as has listener \"c\""));
  CHECK(contains(twice, "t.yaml:10:8: admin has the address 127.0.0.1:8082, as has listener \"a\""));
  CHECK_FALSE(contains(twice, "\"f\""));  // port 0 is another one each time
}

TEST_CASE("aliases: what they repeat is checked where it is used, and an unknown one is an error") {
  CHECK(contains(problems_of("version: 1\nlisteners: *nowhere\n"), "t.yaml:2:"));
  const Loaded loaded = load_yaml(with_head(R"(upstreams:
  a: &a { targets: [http://127.0.0.1:9000] }
  b: *a
)"));
  CHECK(loaded.problems.text() == "");
  REQUIRE(loaded.model->upstream("b") != nullptr);
  CHECK(loaded.model->upstream("b")->targets == loaded.model->upstream("a")->targets);
}

TEST_CASE("hostile names are escaped in messages") {
  const std::string all = problems_of(with_head("upstreams: { \"a\\nb\\e\": { targets: [http://a] } }\n"));
  CHECK(contains(all, "t.yaml:5:14: \"a\\x0ab\\x1b\" is no name"));
  CHECK(all.find('\n') == all.npos);
}
