// Numbers of the config as large as they may be: what is accepted is served as told.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string largest(const std::string& target) {
  const std::string waits =
      "connect_timeout: 24h, response_timeout: 24h, body_timeout: 24h, idle_timeout: 24h, resolve_every: 24h";
  return R"(
http:
  { header_timeout: 24h, idle_timeout: 24h, body_timeout: 24h, write_timeout: 24h, body_rate: 1048576GiB,
    header_bytes: 60KiB, uri_bytes: 59KiB, headers: 1000, connections: 1000000, connections_per_address: 4294967295,
    streams: 1000 }
shutdown: { drain_timeout: 24h }
upstreams: { web: { targets: [")" +
         target + "\"], connections_max: 100000, " + waits + R"( } }
limits:
  yearly: { rate: 1/366d, burst: 99, by: ip }
  hourly: { rate: 1/1h, burst: 876000, by: ip }
  fast: { rate: 1000000/1s, burst: 1000000000, by: ip }
defaults: { authenticate: public, body: { max: 1048576GiB } }
routes:
  - name: all
    match: { path: "/{rest...}" }
    limit: [yearly, hourly, fast]
    validate: { body: { schema: true, max: 256MiB, max_depth: 256 } }
    forward: { to: web, timeout: 24h, idle_timeout: 24h }
)";
}

}  // namespace

TEST_CASE("the largest of everything that is accepted serves as it is told") {
  Origin origin;
  GatewayOptions options;
  const std::string c = certificates().path();
  options.edge_tls =
      "certificates: [ { cert: " + c + "/tls.crt, key: " + c + "/tls.key } ], handshake_timeout: 24h";
  Gateway gateway(largest(origin.target()), {}, options);
  const auto limits = [&] {
    const Response r = gateway.ask(post("/x", "{\"a\":[1,2,3]}"));
    CHECK(r.status == 200);
    return r.header("ratelimit");
  };
  const std::string first =
      "\"yearly\";r=98;t=31622400, \"hourly\";r=875999;t=3600, \"fast\";r=999999999;t=1";
  CHECK(limits() == first);
  CHECK(limits().starts_with("\"yearly\";r=97;"));
  gateway.advance(24h * 366 * 2);
  CHECK(limits() == first);
  gateway.advance(24h * 366 * 100);  // and it still counts
  CHECK(limits() == first);
  CHECK(gateway.stop() == 0);  // nobody is there, so that it waits for nobody
}
