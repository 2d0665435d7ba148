// Who the client is: PROXY headers and X-Forwarded-For, believed where the config says so.
#include <doctest/doctest.h>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

// What the backend gets as X-Forwarded-For.
std::string forwarded(const Origin& origin, const Gateway& gateway, const std::string& headers) {
  CHECK(gateway.ask(get("/x", headers)).status == 200);
  const std::string head = origin.last().head, mark = "X-Forwarded-For: ";
  const size_t at = head.find(mark) + mark.size();
  return head.substr(at, head.find("\r\n", at) - at);
}

std::string routes(const Origin& origin) {
  return "upstreams: { web: { targets: [\"" + origin.target() +
         "\"] } }\nroutes: [ { name: x, match: { path: /x }, authenticate: public, forward: { to: web } } "
         "]\n";
}
std::string listener(const std::string& name, const std::string& from, const std::string& kind) {
  return "  - { name: " + name + ", address: \"127.0.0.1:0\", proxy_protocol: { from: [" + from + "] }, " +
         kind + " }\n";
}

}  // namespace

TEST_CASE("a PROXY header tells the client's address, over TLS and without") {
  Origin origin;
  const std::string c = certificates().path();
  const std::string tls = "tls: { certificates: [ { cert: " + c + "/tls.crt, key: " + c + "/tls.key } ] }";
  Gateway gateway(routes(origin), {},
                  {.more_listeners = listener("balanced", "127.0.0.0/8", "plaintext: true") +
                                     listener("elsewhere", "192.0.2.0/24", "plaintext: true") +
                                     listener("secure", "127.0.0.1", tls)});
  Client plain(gateway.port("balanced"), {.tls = false});
  plain.send("PROXY TCP4 198.51.100.7 10.0.");
  CHECK(plain.ask("0.1 4000 443\r\n" + get("/x")).status == 200);
  CHECK(origin.last().has("X-Forwarded-For: 198.51.100.7"));
  CHECK(gateway.log_line("\"client_ip\":\"198.51.100.7\"", "\"listener\":\"balanced\"") != "");
  CHECK(plain.ask(get("/x")).status == 200);
  CHECK(origin.last().has("X-Forwarded-For: 198.51.100.7"));
  Client none(gateway.port("balanced"), {.tls = false});
  none.send(get("/x"));
  CHECK(none.at_end());
  CHECK(gateway.told("proxy_header_refused"));
  Client stranger(gateway.port("elsewhere"), {.tls = false});  // no header is expected of it
  CHECK(stranger.ask(get("/x")).status == 200);
  CHECK(origin.last().has("X-Forwarded-For: 127.0.0.1"));
  Client liar(gateway.port("elsewhere"), {.tls = false});
  CHECK(liar.ask("PROXY TCP4 198.51.100.7 10.0.0.1 4000 443\r\n" + get("/x")).status == 400);
  Client secure(gateway.port("secure"), {.before_tls = "PROXY TCP6 2001:db8::7 ::1 4000 443\r\n"});
  CHECK(secure.ask(get("/x")).status == 200);
  CHECK(origin.last().has("X-Forwarded-For: 2001:db8::7"));
  Client silent(gateway.port("secure"), {.tls = false});
  CHECK(silent.send("PROXY "));
  gateway.advance(11s);
  CHECK(silent.at_end());
}

TEST_CASE("connections of one IPv6 /64 count together") {
  Origin origin;
  Gateway gateway("http: { connections_per_address: 2 }\n" + routes(origin), {},
                  {.more_listeners = listener("balanced", "127.0.0.0/8", "plaintext: true")});
  const auto from = [&](const std::string& address) {
    auto client = std::make_unique<Client>(gateway.port("balanced"), ClientOptions{.tls = false});
    client->send("PROXY TCP6 " + address + " ::1 4000 443\r\n" + get("/x"));
    return client;
  };
  auto one = from("2001:db8::1"), two = from("2001:db8::2");
  CHECK(one->read().status == 200);
  CHECK(two->read().status == 200);
  CHECK(from("2001:db8::3")->at_end());
  CHECK(from("2001:db8:0:1::3")->read().status == 200);
  one.reset();
  CHECK(eventually([&] { return from("2001:db8::4")->read().status == 200; }));
}

TEST_CASE("X-Forwarded-For is believed from trusted proxies only, and from the right") {
  Origin origin;
  Gateway trusting("http: { trusted_proxies: [127.0.0.0/8, 10.0.0.0/8] }\n" + routes(origin));
  CHECK(forwarded(origin, trusting, "") == "127.0.0.1");
  CHECK(forwarded(origin, trusting, "X-Forwarded-For: 198.51.100.7\r\n") == "198.51.100.7, 127.0.0.1");
  CHECK(trusting.log_line("\"client_ip\":\"198.51.100.7\"") != "");
  CHECK(forwarded(origin, trusting,
                  "X-Forwarded-For: 1.2.3.4, 198.51.100.8\r\nX-Forwarded-For: 10.1.1.1\r\n") ==
        "198.51.100.8, 10.1.1.1, 127.0.0.1");
  CHECK(forwarded(origin, trusting, "X-Forwarded-For: evil, 10.1.1.1\r\n") == "10.1.1.1, 127.0.0.1");
  CHECK(forwarded(origin, trusting, "X-Forwarded-For: evil\r\nX-Forwarded-Proto: http\r\n") == "127.0.0.1");
  CHECK(origin.last().has("X-Forwarded-Proto: http"));
  std::string hops;
  for (int i = 0; i < 2500; ++i) hops += "10.1.1.1,";
  CHECK(forwarded(origin, trusting, "X-Forwarded-For: 198.51.100.7," + hops + "10.2.2.2\r\n")
            .ends_with(",10.2.2.2, 127.0.0.1"));
  CHECK(trusting.log_line("\"client_ip\":\"10.1.1.1\"") != "");  // not more than so many
  Gateway strict(routes(origin));
  CHECK(forwarded(origin, strict, "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: http\r\n") ==
        "127.0.0.1");
  CHECK(origin.last().has("X-Forwarded-Proto: https"));
}

TEST_CASE("X-Forwarded-For with ports (Azure), brackets and gaps; what is no address ends the way") {
  Origin origin;
  Gateway gateway("http: { trusted_proxies: [127.0.0.0/8, 10.0.0.0/8, \"2001:db8:1::/48\"] }\n" +
                  routes(origin));
  struct Case {
    std::string written, client, way;
  };
  for (const Case& c :
       {Case{"198.51.100.7:4711", "198.51.100.7", "198.51.100.7:4711, 127.0.0.1"},
        {"198.51.100.7:4711, 10.1.1.1:80", "198.51.100.7", "198.51.100.7:4711, 10.1.1.1:80, 127.0.0.1"},
        {"[2001:db8::7]:4711", "2001:db8::7", "[2001:db8::7]:4711, 127.0.0.1"},
        {"[2001:db8::7], [2001:db8:1::1]:80", "2001:db8::7", "[2001:db8::7], [2001:db8:1::1]:80, 127.0.0.1"},
        {"2001:db8::7", "2001:db8::7", "2001:db8::7, 127.0.0.1"},
        {"198.51.100.7,, 10.1.1.1 , ", "198.51.100.7", "198.51.100.7, 10.1.1.1, 127.0.0.1"},
        {"192.0.2.1,", "192.0.2.1", "192.0.2.1, 127.0.0.1"},
        {",,", "127.0.0.1", "127.0.0.1"},
        {"198.51.100.7, unknown, 10.1.1.1", "10.1.1.1", "10.1.1.1, 127.0.0.1"},
        {"\"198.51.100.7\"", "127.0.0.1", "127.0.0.1"},
        {"198.51.100.7:", "127.0.0.1", "127.0.0.1"},
        {"198.51.100.7:99999", "127.0.0.1", "127.0.0.1"},
        {"198.51.100.7:8x", "127.0.0.1", "127.0.0.1"},
        {"[198.51.100.7]:80", "127.0.0.1", "127.0.0.1"},
        {"2001:db8::7]:80", "127.0.0.1", "127.0.0.1"},
        {"[2001:db8::7", "127.0.0.1", "127.0.0.1"},
        {"", "127.0.0.1", "127.0.0.1"}}) {
    CAPTURE(c.written);
    CHECK(forwarded(origin, gateway, "X-Forwarded-For: " + c.written + "\r\n") == c.way);
    const std::string id =
        gateway.ask(get("/x", "X-Forwarded-For: " + c.written + "\r\n")).header("x-request-id");
    CHECK(gateway.log_line(id).find("\"client_ip\":\"" + c.client + "\"") != std::string::npos);
  }
}

TEST_CASE("a trusted proxy says which protocol the client spoke; which host, the request itself says") {
  Origin origin;
  Gateway gateway("http: { trusted_proxies: [127.0.0.1] }\n" + routes(origin));
  const std::string host = "X-Forwarded-Host: evil.example\r\n";
  for (const char* proto : {"http", "https"}) {
    CHECK(gateway.ask(get("/x", host + "X-Forwarded-Proto: " + proto + "\r\n")).status == 200);
    CHECK(origin.last().has(std::string("X-Forwarded-Proto: ") + proto));
    CHECK(origin.last().has("X-Forwarded-Host: api.test"));
    CHECK(origin.last().head.find("evil") == std::string::npos);
  }
  for (const char* proto : {"HTTP", "wss", "http, https", ""}) {
    CHECK(gateway.ask(get("/x", std::string("X-Forwarded-Proto: ") + proto + "\r\n")).status == 200);
    CHECK(origin.last().has("X-Forwarded-Proto: https"));
  }
  // A proxy that appends has put the client's own first.
  for (const char* two :
       {"http\r\nX-Forwarded-Proto: https", "http\r\nX-Forwarded-Proto: http", "http,http"}) {
    CHECK(gateway.ask(get("/x", std::string("X-Forwarded-Proto: ") + two + "\r\n")).status == 200);
    CHECK(origin.last().has("X-Forwarded-Proto: https"));
    CHECK(origin.last().head.find("Proto: http\r\n") == std::string::npos);
  }
}
