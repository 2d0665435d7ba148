#include "gateway/base/cidr.h"

#include <doctest/doctest.h>

using namespace sallyport;

TEST_CASE("ranges of addresses") {
  for (const char* good :
       {"10.0.0.0/8", "0.0.0.0/0", "192.0.2.7", "192.0.2.7/32", "::/0", "2001:db8::/32", "::1"}) {
    CAPTURE(good);
    CHECK(Cidr::parse(good));
  }
  for (const char* bad : {"", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8 ", "::1/129",
                          "a/8", "2001:db8::1/32", "10.0.0.0/-1", "[::1]"}) {
    CAPTURE(bad);
    CHECK_FALSE(Cidr::parse(bad));
  }
  const CidrSet set({"10.0.0.0/9", "2001:db8::/33", "192.0.2.7"});
  for (const char* in : {"10.0.0.0", "10.127.255.255", "::ffff:10.1.2.3", "2001:db8:7fff::1", "192.0.2.7"}) {
    CAPTURE(in);
    CHECK(set.contains(in));
  }
  for (const char* out :
       {"10.128.0.0", "11.0.0.0", "2001:db8:8000::", "192.0.2.8", "unix", "", "10.0.0.0/9"}) {
    CAPTURE(out);
    CHECK_FALSE(set.contains(out));
  }
  CHECK_FALSE(CidrSet().contains("10.0.0.0"));
  CHECK_FALSE(parse_ip(std::string_view("10.0.0.1\0x", 10)));
}

TEST_CASE("of an address with a prefix the range that it lies in is told") {
  CHECK(Cidr::network_of("10.0.0.1/8") == "10.0.0.0/8");
  CHECK(Cidr::network_of("192.0.2.255/25") == "192.0.2.128/25");
  CHECK(Cidr::network_of("2001:db8::1/32") == "2001:db8::/32");
  CHECK(Cidr::network_of("10.0.0.1/0") == "0.0.0.0/0");
  for (const char* none : {"", "a/8", "10.0.0.1/33", "::ffff:10.0.0.1/104"})
    CHECK(Cidr::network_of(none) == "");
}

TEST_CASE("an address with a port is one with an IPv6 address in brackets") {
  for (std::string_view good : {"192.0.2.1", "192.0.2.1:80", "192.0.2.1:0", "192.0.2.1:65535"}) {
    CAPTURE(good);
    CHECK(parse_ip_port(good) == parse_ip("192.0.2.1"));
  }
  for (std::string_view good : {"2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"}) {
    CAPTURE(good);
    CHECK(parse_ip_port(good) == parse_ip("2001:db8::1"));
  }
  for (std::string_view bad :
       {"", ":", ":80", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:8x", "192.0.2.1:+8", "[192.0.2.1]",
        "[192.0.2.1]:80", "[2001:db8::1", "[2001:db8::1]:", "[2001:db8::1]80", "[]:80", "[",
        "2001:db8::1]:80", "192.0.2:80", "unknown", "_hidden:80"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_ip_port(bad));
  }
}

TEST_CASE("a caller is an IPv4 address, or an IPv6 /64") {
  IpBytes one, other;
  CHECK(caller_of("192.0.2.7", one) == "192.0.2.7");
  CHECK(caller_of("::ffff:192.0.2.7", one) != caller_of("::ffff:192.0.2.8", other));
  CHECK(caller_of("2001:db8::1", one) == caller_of("2001:db8::ffff:0:0:7", other));
  CHECK(caller_of("2001:db8::1", one) != caller_of("2001:db8:0:1::1", other));
  CHECK(caller_of("unix", one) == "unix");
}
