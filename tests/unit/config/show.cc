#include "gateway/config/show.h"

#include <cstdlib>

#include "gateway/config/yaml.h"
#include "tests/unit/config/load_support.h"

using namespace sallyport;
using namespace sallyport::config;
using namespace sallyport::config::testing;

namespace {

constexpr std::string_view rich = R"(workers: 2
admin: { address: 127.0.0.1:9901 }
log: { access: { to: file:access.log } }
stores:
  redis: { url: redis://127.0.0.1, username: u, password: env:SALLYPORT_TEST_SECRET }
upstreams:
  orders: { targets: [http://127.0.0.1:9000], response_timeout: 2s }
authenticators:
  keys: { type: api_key, file: keys.yaml }
limits:
  per-client: { rate: 100/1m }
defaults:
  limit: [per-client]
routes:
  - name: a
    match: { host: "*.example.com", path: "/a/{id}", methods: [GET] }
    authenticate: { any_of: [keys] }
    forward: { to: orders }
  - { name: b, match: { path: / }, authenticate: public, limit: [], respond: { status: 204, body: "a: b\n" } }
)";

Loaded rich_model() {
  setenv("SALLYPORT_TEST_SECRET", "hunter2", 1);
  Loaded loaded = load_yaml(with_head(rich));
  REQUIRE(loaded.problems.text() == "");
  return loaded;
}

Node string_node(std::string text) {
  Node node;
  node.kind = Node::Kind::string;
  node.text = std::move(text);
  return node;
}

}  // namespace

TEST_CASE("show fills in the defaults and hides the secrets") {
  const std::string shown = show(*rich_model().model);
  CAPTURE(shown);
  Problems none;
  const auto document = parse_yaml(shown, "shown", none);
  REQUIRE(document != nullptr);
  CHECK(document->find("http")->find("header_timeout")->text == "10s");
  CHECK(document->find("http")->find("header_bytes")->text == "32KiB");
  CHECK(document->find("shutdown")->find("drain_timeout")->text == "30s");
  CHECK(contains(shown, "connections_max: 1024"));
  CHECK(contains(shown, "password: env:SALLYPORT_TEST_SECRET"));
  CHECK_FALSE(contains(shown, "hunter2"));
  CHECK_FALSE(contains(shown, "defaults"));
  CHECK_FALSE(contains(shown, "ca:"));  // what is not set and has no default is left out
}

TEST_CASE("what show prints reads back as the same config") {
  const Loaded first = rich_model();
  const std::string shown = show(*first.model);
  const Loaded second = load_yaml(shown);
  CAPTURE(shown);
  CHECK(second.problems.text() == "");
  REQUIRE(second.model != nullptr);
  CHECK(show(*second.model) == shown);
  REQUIRE(second.model->routes.size() == 2);
  CHECK(second.model->routes[0].plugin("limit")->block->items.size() == 1);  // came from the defaults
  CHECK(second.model->routes[1].plugin("limit")->block->items.empty());
  CHECK(second.model->routes[1].plugin("respond")->block->find("body")->text == "a: b\n");
  CHECK(second.model->workers.count == 2);
  CHECK(second.model->log.access.to.kind == AccessLogTo::Kind::file);
}

TEST_CASE("a plugin may describe its own blocks") {
  std::string asked;
  const std::string shown = show(*rich_model().model, [&](const ShownBlock& block) -> std::optional<Node> {
    asked += block.path + " ";
    if (block.kind == ShownBlock::Kind::limit) return string_node("described-" + std::string(block.name));
    if (block.path == "defaults.limit") return string_node("described-default");
    return std::nullopt;
  });
  CHECK(asked ==
        "authenticators.keys limits.per-client routes[0].authenticate routes[0].forward defaults.limit "
        "routes[1].authenticate routes[1].limit routes[1].respond ");
  CHECK(contains(shown, "per-client: described-per-client"));
  CHECK(contains(shown, "limit: described-default"));
  CHECK(contains(shown, "type: api_key"));
}

TEST_CASE("yaml_of tells whether a block has changed") {
  const Loaded loaded = rich_model();
  Upstream other = *loaded.model->upstream("orders");
  CHECK(yaml_of(other) == yaml_of(*loaded.model->upstream("orders")));
  other.mark.line = 99;  // where it stands does not matter
  CHECK(yaml_of(other) == yaml_of(*loaded.model->upstream("orders")));
  other.connect_timeout = seconds(2);
  CHECK(yaml_of(other) != yaml_of(*loaded.model->upstream("orders")));
}
