// Targets of upstreams, as the config writes them.
#include "gateway/upstream/target.h"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace sallyport::upstream;

TEST_CASE("a target says where to go, and how to speak there") {
  struct Row {
    const char* url;
    bool tls, http2;
    const char* host;
    uint16_t port;
    const char* authority;
  };
  for (const Row& row : {Row{"http://orders:9000", false, false, "orders", 9000, "orders:9000"},
                         Row{"http://orders/", false, false, "orders", 80, "orders"},
                         Row{"https://10.0.0.7", true, false, "10.0.0.7", 443, "10.0.0.7"},
                         Row{"h2://greeter", true, true, "greeter", 443, "greeter"},
                         Row{"h2c://[::1]:50051", false, true, "::1", 50051, "[::1]:50051"},
                         Row{"h2c://greeter", false, true, "greeter", 80, "greeter"}}) {
    CAPTURE(row.url);
    const Result<Target> target = parse_target(row.url);
    REQUIRE(target);
    CHECK(target->tls == row.tls);
    CHECK(target->http2 == row.http2);
    CHECK(target->host == row.host);
    CHECK(target->port == row.port);
    CHECK(target->authority == row.authority);
  }
}

TEST_CASE("what is no target is refused, with a word on what would be one") {
  for (const char* url : {"", "orders:9000", "ftp://orders", "grpc://greeter", "H2://greeter", "h2c:greeter",
                          "h2c://", "h2c://greeter:0x50", "h2://greeter/path", "h2c://user@greeter",
                          "h2://greeter?x", "http://10.0.0.256:9000", "http://a..b"}) {
    CAPTURE(url);
    const Result<Target> target = parse_target(url);
    REQUIRE_FALSE(target);
    CHECK(target.error().reason == "bad_target");
    CHECK(target.error().detail.find("is not a target") != std::string::npos);
    CHECK(target.error().detail.find("user@") == std::string::npos);
  }
}
