// Who holds a connection to a backend, and who has to let it go: clients that send nothing, too little, or
// that have left.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string forwarding(const Origin& origin, const std::string& upstream, const std::string& forward = "") {
  return "upstreams:\n  web: { targets: [\"" + origin.target() + "\"], " + upstream + " }\n" + R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web)" +
         forward + " } }\n";
}

std::string head_of_post(const std::string& path, const std::string& headers = "Content-Length: 100\r\n") {
  return "POST " + path + " HTTP/1.1\r\nHost: api.test\r\n" + headers + "\r\n";
}

std::string active(int connections) {
  return "sallyport_upstream_connections{state=\"active\",upstream=\"web\"} " + std::to_string(connections);
}

}  // namespace

TEST_CASE("content that does not come holds no connection to the backend") {
  Origin origin;
  Gateway gateway(forwarding(origin, "connections_max: 1"));
  auto counted = gateway.connect(), chunked = gateway.connect(), expects = gateway.connect();
  counted->send(head_of_post("/counted"));
  chunked->send(head_of_post("/chunked", "Transfer-Encoding: chunked\r\n"));
  expects->send(head_of_post("/expects", "Content-Length: 3\r\nExpect: 100-continue\r\n"));
  CHECK(expects->read().status == 100);  // it is asked for its content all the same
  CHECK(gateway.ask(get("/other")).status == 200);
  CHECK(origin.requests().size() == 1);
  chunked->send("3\r\nabc\r\n");
  CHECK(eventually([&] { return gateway.has_metric(active(1)); }));
  chunked->send("2\r\nde\r\n0\r\n\r\n");
  CHECK(chunked->read().status == 200);
  CHECK(origin.last().body == "abcde");
  expects->send("xyz");
  CHECK(expects->read().status == 200);
  CHECK(origin.last().body == "xyz");
  gateway.advance(31s);
  const Response late = counted->read();
  CHECK(late.status == 408);
  CHECK(late.header("connection") == "close");
  CHECK(gateway.log_line("\"path\":\"/counted\"", "\"upstream\":\"web\"").find("body_timeout") !=
        std::string::npos);
  CHECK(origin.connections() == 1);
}
