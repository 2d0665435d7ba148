#include "gateway/config/address.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;
using namespace sallyport::config;

namespace {

std::string round_trip(std::string_view text) {
  auto address = parse_address(text);
  return address ? to_string(*address) : "error: " + address.error().detail;
}

std::string why_not(std::string_view text) {
  auto address = parse_address(text);
  REQUIRE_FALSE(address.has_value());
  CHECK(address.error().code == Code::invalid_data);
  return address.error().detail;
}

bool says(std::string_view text, std::string_view part) {
  return why_not(text).find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("addresses of listeners") {
  auto v4 = parse_address("0.0.0.0:8443");
  REQUIRE(v4);
  CHECK(v4->kind == Address::Kind::ip);
  CHECK(v4->host == "0.0.0.0");
  CHECK(v4->port == 8443);

  for (const char* one : {"[::1]:1", "[0:0:0:0:0:0:0:1]:1", "[0::0001]:1", "[::0.0.0.1]:1"})
    CHECK(to_string(*parse_address(one)) == "[::1]:1");
  auto v6 = parse_address("[::]:0");
  REQUIRE(v6);
  CHECK(v6->host == "::");
  CHECK(v6->port == 0);

  auto path = parse_address("unix:/run/sallyport.sock");
  REQUIRE(path);
  CHECK(path->kind == Address::Kind::unix_path);
  CHECK(path->path == "/run/sallyport.sock");

  for (std::string_view text : {"127.0.0.1:1", "[2001:db8::1]:65535", "unix:/a"}) {
    CHECK(round_trip(text) == text);
  }
  CHECK(round_trip("LocalHost:80") == "127.0.0.1:80");
  CHECK(round_trip("[2001:DB8::1]:80") == "[2001:db8::1]:80");
}

TEST_CASE("addresses of DNS servers") {
  const auto server = [](std::string_view text) {
    const auto address = parse_dns_server(text);
    return address ? to_string(*address) : address.error().detail;
  };
  CHECK(server("10.0.0.53") == "10.0.0.53:53");
  CHECK(server("10.0.0.53:5353") == "10.0.0.53:5353");
  CHECK(server("[2001:DB8::1]") == "[2001:db8::1]:53");
  CHECK(server("[2001:db8::1]:5353") == "[2001:db8::1]:5353");
  for (std::string_view bad :
       {"", "dns.test", "localhost:53", "10.0.0.53:", "10.0.0.53:0", "10.0.0.53:65536", "10.0.0",
        "2001:db8::1", "[::1", "unix:/run/dns", "10.0.0.53,10.0.0.54", " 10.0.0.53"})
    CHECK(server(bad).contains("no address of a DNS server"));
}

TEST_CASE("what is no address says what is expected") {
  CHECK(says("", "no address"));
  CHECK(says(":8443", "0.0.0.0:8443 or [::]:8443"));
  CHECK(says("::1:8443", "in brackets: write \"[::1]:8443\""));
  CHECK(says("2001:db8:0:0:0:0:0:1", "write \"[2001:db8:0:0:0:0:0:1]:8443\""));
  CHECK(says(":::8443", "write \"[::]:8443\""));
  CHECK(says(":1:8443", "has no host"));
  CHECK(says("edge.test:8443", "an address of this machine, or 0.0.0.0:8443 or [::]:8443"));
  CHECK(says("127.0.0.1", "no port"));
  CHECK(says("[::1]", "no port"));
  CHECK(says("127.0.0.1:", "a port is a number"));
  CHECK(says("127.0.0.1:65536", "a port is a number"));
  CHECK(says("127.0.0.1:080", "a port is a number"));
  CHECK(says("127.0.0.1:+80", "a port is a number"));
  CHECK(says("127.0.0.1:https", "a port is a number"));
  CHECK(says("256.0.0.1:80", "no address"));
  CHECK(says("1.2.3:80", "no address"));
  CHECK(says("[::1:80", "no address"));
  CHECK(says("[localhost]:80", "no address"));
  CHECK(says("[::1]80", "no address"));
  CHECK(says("a b:80", "no address"));
  CHECK(says("http://a:80", "a port is a number"));
  CHECK(says(".a:80", "no address"));
  CHECK(says("a..b:80", "no address"));
  CHECK(says(std::string(300, 'a') + ":80", "no address"));
}

TEST_CASE("paths of unix sockets are absolute and short enough for the system") {
  CHECK(says("unix:", "absolute path"));
  CHECK(says("unix:run/x.sock", "absolute path"));
  CHECK(says("unix:/run/", "absolute path"));
  CHECK(says(std::string("unix:/a\0b", 9), "absolute path"));
  CHECK(parse_address("unix:/" + std::string(106, 'a')).has_value());
  CHECK(says("unix:/" + std::string(107, 'a'), "at most 107 bytes"));
}

TEST_CASE("what is shown of a bad address is escaped") {
  CHECK(why_not("a\nb:80").find('\n') == std::string::npos);
}

TEST_CASE("URLs of Redis servers") {
  CHECK(parse_redis_url("redis://10.0.0.1") == RedisUrl{false, "10.0.0.1", 6379, 0});
  CHECK(parse_redis_url("redis://Redis.Example:7000/3") == RedisUrl{false, "redis.example", 7000, 3});
  CHECK(parse_redis_url("rediss://[::1]:6380/") == RedisUrl{true, "::1", 6380, 0});

  for (std::string_view bad :
       {"", "redis:", "http://a", "redis://", "redis://:6379", "redis://a:0", "redis://a:70000",
        "redis://a/b", "redis://a/-1", "redis://a/0/1", "redis://a/70000", "redis://a?db=1", "REDIS://a"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_redis_url(bad).has_value());
  }
}

TEST_CASE("of the number of a database it is told whether it is none, or too large") {
  for (const char* large : {"redis://a/65536", "redis://a/99999999999", "redis://a/99999999999999999999999"})
    CHECK(parse_redis_url(large).error().detail == "the number of the database is too large: 65535 at most");
  CHECK(parse_redis_url("redis://a/65535").value().database == 65535);
  CHECK(parse_redis_url("redis://a/b").error().detail.contains("and the number of a database, no more"));
}

TEST_CASE("a password in the URL of a store is refused and not repeated") {
  auto url = parse_redis_url("redis://:hunter2@10.0.0.1");
  REQUIRE_FALSE(url);
  CHECK(url.error().detail.find("hunter2") == std::string::npos);
  CHECK(url.error().detail.find("password") != std::string::npos);
}
