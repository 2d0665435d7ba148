#include "gateway/net/proxy_header.h"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace std::string_literals;

namespace {

const std::string v2 = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string v4_addresses = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb"s;

// The header is found whole, however much of it is there before; what follows is left alone.
void check_good(const std::string& header, const std::string& client) {
  CAPTURE(header);
  for (size_t some = 0; some < header.size(); ++some) {
    const auto part = net::parse_proxy_header(Slice(header).substr(0, some));
    REQUIRE(part);
    CHECK(part->bytes == 0);
  }
  const std::string with_more = header + "GET / HTTP/1.1\r\n";
  const auto whole = net::parse_proxy_header(with_more);
  REQUIRE(whole);
  CHECK(whole->bytes == header.size());
  CHECK(whole->client_ip == client);
}

}  // namespace

TEST_CASE("PROXY headers of both versions") {
  check_good("PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", "192.0.2.7");
  check_good("PROXY TCP6 2001:db8::7 ::1 1 65535\r\n", "2001:db8::7");
  check_good("PROXY TCP6 2001:DB8:0::7 ::1 1 2\r\n", "2001:db8::7");  // one form of each
  check_good("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7");
  check_good("PROXY UNKNOWN\r\n", "");
  check_good("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "");
  check_good(v2 + "\x21\x11\x00\x0c"s + v4_addresses, "192.0.2.7");
  check_good(v2 + "\x21\x11\x00\x10"s + v4_addresses + "\x04\x00\x01x"s, "192.0.2.7");  // and a TLV
  check_good(v2 + "\x21\x21\x00\x24"s + "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07" +
                 std::string(20, '\x01'),
             "2001:db8::7");
  check_good(v2 + "\x20\x00\x00\x00"s, "");  // LOCAL
  check_good(v2 + "\x21\x00\x00\x00"s, "");  // UNSPEC
}

TEST_CASE("PROXY headers that are none are refused") {
  const std::string bad[] = {"GET / HTTP/1.1\r\n",
                             "PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n",
                             "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
                             "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
                             "PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
                             "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
                             "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
                             "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n",
                             "PROXY TCP4 name 10.0.0.1 1 2\r\n",
                             "PROXY TCP6 1.2.3.4\0\nX-Client-Id:root ::1 1 1\r\n"s,
                             "PROXY " + std::string(200, 'x'),
                             v2 + "\x11\x11\x00\x0c"s + v4_addresses,
                             v2 + "\x22\x11\x00\x0c"s + v4_addresses,
                             v2 + "\x21\x11\x00\x0b"s + v4_addresses,
                             v2 + "\x21\x51\x00\x0c"s + v4_addresses,
                             v2 + "\x21\x11\xff\xff"s};
  for (const std::string& header : bad) {
    CAPTURE(header);
    CHECK_FALSE(net::parse_proxy_header(header));
  }
}
