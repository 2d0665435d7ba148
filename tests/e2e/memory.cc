// Memory: one budget for all that requests and connections hold. A flood spends it and is refused; whoever
// asks beside it is answered, and told why where it cannot be; when the flood has gone, all of it is back.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string routes(const Origin& origin, const std::string& memory) {
  return "http: { memory: " + memory + " }\nupstreams:\n  web: { targets: [\"" + origin.target() + "\"] }\n" +
         R"(
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web } }
  - name: orders
    match: { methods: [POST], path: /orders }
    authenticate: public
    body: { max: 1MiB }
    validate: { body: { schema: { type: array } } }
    forward: { to: web }
)";
}

// The level of sallyport_memory_bytes, in bytes.
long memory(const Gateway& gateway, const std::string& kind) {
  const std::string page = gateway.admin("/metrics").body;
  const size_t at = page.find("sallyport_memory_bytes{kind=\"" + kind + "\"} ");
  return at == std::string::npos ? -1 : static_cast<long>(std::atof(page.c_str() + page.find(' ', at)));
}

// --- frames of HTTP/2 (RFC 9113 section 4.1), and a head in HPACK without its tables

std::string frame(char type, char flags, uint32_t stream, const std::string& payload) {
  std::string out = {0, static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size()), type,
                     flags};
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(stream >> shift);
  return out + payload;
}

std::string head(bool post, const std::string& path) {
  const std::string host = "api.test";
  return std::string(post ? "\x83" : "\x82") + "\x87\x04" + static_cast<char>(path.size()) + path + "\x01" +
         static_cast<char>(host.size()) + host;
}

constexpr char end_headers = 4, end_headers_and_stream = 5;
const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// A client that has sent all of a small document but its last byte.
std::unique_ptr<Client> begun_order(const Gateway& gateway) {
  auto client = gateway.connect();
  CHECK(
      client->send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   "Content-Length: 2\r\n\r\n["));
  return client;
}

}  // namespace

TEST_CASE("content that is held fills the budget: more is 503 memory_full, and afterwards all is as before") {
  Origin origin;
  Gateway gateway(routes(origin, "2MiB"));
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(memory(gateway, "budget") == 2 * 1024 * 1024);
  const std::string begun =
      "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
      "600000\r\n\r\n[" +
      std::string(3000, ' ');
  std::vector<std::unique_ptr<Client>> flood;
  Response refused;
  for (int i = 0; i < 300 && refused.status == 0; ++i) {
    flood.push_back(gateway.connect());
    CHECK(flood.back()->send(begun));
    refused = gateway.ask(get("/beside"));
    if (refused.status == 200) refused = {};
  }
  CHECK(refused.status == 503);
  CHECK(refused.header("retry-after") != "");
  CHECK(refused.body.find("urn:sallyport:problem:overloaded") != std::string::npos);
  CHECK(gateway.log_line("\"path\":\"/beside\"", "memory_full") != "");
  flood.clear();
  CHECK(eventually([&] { return memory(gateway, "held") < 64 * 1024; }));
  CHECK(gateway.ask(get("/after")).status == 200);
}

TEST_CASE("content that would fill the budget is refused while it comes, and others are served meanwhile") {
  Origin origin;
  Gateway gateway(routes(origin, "2MiB"));
  const std::string large =
      "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
      "600000\r\n\r\n[" +
      std::string(300'000, ' ');
  std::vector<std::unique_ptr<Client>> flood;
  for (int i = 0; i < 8; ++i) {
    flood.push_back(gateway.connect());
    CHECK(flood.back()->send(large));
    CHECK(gateway.ask(get("/beside")).status == 200);
  }
  const Response refused = flood.back()->read();
  CHECK(refused.status == 503);
  CHECK(gateway.log_line("\"path\":\"/orders\"", "memory_full").find("\"status\":503") != std::string::npos);
}

TEST_CASE("streams of HTTP/2 that are only begun are refused when they hold too much; others are served") {
  Origin origin;
  Gateway gateway(routes(origin, "4MiB"));
  ClientOptions h2;
  h2.alpn = std::string("\x02h2");
  std::vector<std::unique_ptr<Client>> flood;
  size_t resets = 0;
  for (int c = 0; c < 10; ++c) {
    flood.push_back(gateway.connect(h2));
    std::string begun = preface;
    for (uint32_t id = 1; id < 200; id += 2)
      begun += frame(1, end_headers, id, head(true, "/orders")) + frame(0, 0, id, "[");
    CHECK(flood.back()->send(begun + frame(6, 0, 0, "pingpong")));
    std::string came;
    while (came.find("pingpong") == std::string::npos) {
      const std::string some = flood.back()->read_some();
      REQUIRE(some != "");
      came += some;
    }
    resets += count(came, std::string("\0\0\x04\x03\0", 5));
  }
  CHECK(resets > 500);
  CHECK(gateway.ask(get("/beside")).status == 200);
  auto other = gateway.connect(h2);
  CHECK(other->send(preface + frame(1, end_headers_and_stream, 1, head(false, "/beside/h2"))));
  const std::string line = gateway.log_line("\"path\":\"/beside/h2\"");
  CAPTURE(line);
  CHECK(line.find("\"status\":200") != std::string::npos);
  flood.clear();
  CHECK(eventually([&] { return memory(gateway, "held") < 128 * 1024; }));
}

TEST_CASE("whoever holds much for a client that does not move gives way; who holds little goes on") {
  Origin origin;
  Gateway gateway(routes(origin, "2MiB"));
  auto modest = begun_order(gateway);
  ClientOptions h2;
  h2.alpn = std::string("\x02h2");
  std::vector<std::unique_ptr<Client>> flood;
  int status = 200;
  while (status == 200 && flood.size() < 60) {
    flood.push_back(gateway.connect(h2));
    std::string begun = preface;
    for (uint32_t id = 1; id < 200; id += 2)
      begun += frame(1, end_headers, id, head(true, "/orders")) + frame(0, 0, id, "[");
    CHECK(flood.back()->send(begun));
    status = gateway.ask(get("/beside")).status;
  }
  for (int looks = 0; looks < 4 && status == 503; ++looks) {  // once, and once more when they have not moved
    gateway.advance(600ms);
    status = gateway.ask(get("/beside")).status;
  }
  CHECK(status == 200);
  for (int i = 0; i < 10; ++i) CHECK(gateway.ask(get("/beside")).status == 200);
  CHECK(gateway.log_line("\"path\":\"/orders\"", "\"reason\":\"memory_full\"") != "");
  CHECK(gateway.told("memory_relief"));
  const std::string none = "sallyport_memory_refusals_total{what=\"gave_way\"} 0";
  CHECK(gateway.admin("/metrics").body.find(none) == std::string::npos);
  CHECK(modest->send("]"));
  CHECK(modest->read().status == 200);
}

TEST_CASE("requests that come all at once are not let in beyond the budget, whenever their answers take it") {
  const Gateway backend(
      "routes:\n  - { name: big, match: { path: /big }, authenticate: public, respond: { status: 200, body: "
      "\"" +
      std::string(100'000, 'a') + "\" } }\n");
  Gateway gateway("http: { memory: 4MiB }\nupstreams: { web: { targets: [\"h2c://127.0.0.1:" +
                  std::to_string(backend.port("mesh")) +
                  "\"] } }\nroutes:\n  - { name: all, match: { path: /big }, authenticate: public, forward: "
                  "{ to: web } }\n");
  ClientOptions h2;
  h2.alpn = std::string("\x02h2");
  std::string all = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                    frame(4, 0, 0, std::string("\0\x04\0\x10\0\0", 6)) +  // a window of 1 MiB
                    frame(8, 0, 0, std::string("\x04\0\0\0", 4));
  for (uint32_t id = 1; id < 200; id += 2) all += frame(1, end_headers_and_stream, id, head(false, "/big"));
  std::vector<std::unique_ptr<Client>> flood;
  for (int c = 0; c < 10; ++c) {
    flood.push_back(gateway.connect(h2));
    CHECK(flood.back()->send(all));
  }
  long most = 0;
  for (int look = 0; look < 50; ++look) {
    most = std::max(most, memory(gateway, "held"));
    std::this_thread::sleep_for(20ms);
  }
  CAPTURE(most);
  CHECK(most > (1 << 20));
  CHECK(most < (6 << 20));
}

TEST_CASE("an HTTP/2 connection at rest holds nothing for the content that it has had") {
  Origin origin;
  Gateway gateway(routes(origin, "64MiB"));
  ClientOptions h2;
  h2.alpn = std::string("\x02h2");
  const std::string content(16'000, 'a');
  const std::string length("\x0f\x0d\x05", 3);  // of content-length, without indexing
  std::vector<std::unique_ptr<Client>> at_rest;
  for (int c = 0; c < 4; ++c) {
    at_rest.push_back(gateway.connect(h2));
    CHECK(at_rest.back()->send(preface + frame(1, end_headers, 1, head(true, "/upload") + length + "48000") +
                               frame(0, 0, 1, content) + frame(0, 0, 1, content) + frame(0, 1, 1, content)));
  }
  CHECK(eventually([&] { return origin.requests().size() == 4; }));
  gateway.advance(2s);  // the level is told each second
  CHECK(eventually([&] { return memory(gateway, "held") < 512 * 1024; }));
}

TEST_CASE("a head that has only begun holds little, so that many are kept and others are answered") {
  Origin origin;
  Gateway gateway(routes(origin, "2MiB"));
  ClientOptions plain;
  plain.tls = false;
  std::vector<std::unique_ptr<Client>> flood;
  for (int i = 0; i < 150; ++i) {
    flood.push_back(std::make_unique<Client>(gateway.port("mesh"), plain));
    CHECK(flood.back()->send("G"));
  }
  CHECK(gateway.ask(get("/beside")).status == 200);
  CHECK(gateway.has_metric("sallyport_memory_refusals_total{what=\"connection\"} 0"));
  for (auto& client : flood) CHECK(client->ask("ET /late HTTP/1.1\r\nHost: a\r\n\r\n").status == 200);
}

TEST_CASE("heads that do not go on give way when they fill the memory; a request under way does not") {
  Origin origin;
  Gateway gateway(routes(origin, "2MiB"));
  auto modest = begun_order(gateway);
  ClientOptions plain;
  plain.tls = false;
  std::vector<std::unique_ptr<Client>> flood;
  for (int i = 0; i < 160; ++i) {
    flood.push_back(std::make_unique<Client>(gateway.port("mesh"), plain));
    flood.back()->send("GET / HTTP/1.1\r\nX: " + std::string(9000, 'y'));
  }
  CHECK(eventually([&] { return memory(gateway, "held") >= 2 * 1024 * 1024; }));  // they are all there
  int status = gateway.ask(get("/beside")).status;
  CHECK(status != 200);
  for (int looks = 0; looks < 4 && status != 200; ++looks) {
    gateway.advance(600ms);
    for (auto& client : flood) client->send("y");
    status = gateway.ask(get("/beside")).status;
  }
  CHECK(status == 200);
  CHECK(gateway.told("connections_refused"));
  CHECK(gateway.told("memory_relief"));
  CHECK(modest->send("]"));
  CHECK(modest->read().status == 200);
}

TEST_CASE("connections that ask for nothing give way when they fill the memory") {
  Origin origin;
  Gateway gateway(routes(origin, "1MiB"));
  std::vector<std::unique_ptr<Client>> flood;
  int status = 200;
  while (status == 200 && flood.size() < 300) {
    flood.push_back(gateway.connect());
    if (flood.size() % 10 == 0) status = gateway.ask(get("/beside")).status;
  }
  CHECK(status != 200);
  for (int looks = 0; looks < 4 && status != 200; ++looks) {
    gateway.advance(1100ms);
    status = gateway.ask(get("/beside")).status;
  }
  CHECK(status == 200);
}

TEST_CASE("what TLS holds for a peer is counted, and handshakes that fill the memory make room for others") {
  Origin origin;
  const std::string certificate = "certificates: [ { cert: " + certificates().path("tls.crt") +
                                  ", key: " + certificates().path("tls.key") + " } ]";
  Gateway gateway(routes(origin, "2MiB"), {},
                  {.edge_tls = certificate + ", client_certificates: { ca: " + certificates().path("ca.crt") +
                               ", mode: optional }"});
  ClientOptions bare;
  bare.tls = false;  // and no TLS of its own
  const auto begun_hello = [&](size_t size) {
    std::string message = std::string("\x01\x01\x86\xa0\x03\x03", 6) + std::string(size, '\0');
    std::string records;
    for (; !message.empty(); message.erase(0, std::min<size_t>(message.size(), 16'000))) {
      const size_t part = std::min<size_t>(message.size(), 16'000);
      records += std::string("\x16\x03\x01") + static_cast<char>(part >> 8) + static_cast<char>(part) +
                 message.substr(0, part);
    }
    auto client = std::make_unique<Client>(gateway.port(), bare);
    client->send(records);
    return client;
  };
  const long before = memory(gateway, "held");
  auto small = begun_hello(1000);
  auto large = begun_hello(90'000);
  CHECK(eventually([&] { return memory(gateway, "held") > before + 90'000; }));
  const long of_two = memory(gateway, "held");
  auto other = gateway.connect();
  other->send_raw(std::string("\x17\x03\x03\x40\x00\x01", 6));  // a record of 16 KiB has begun
  CHECK(eventually([&] { return memory(gateway, "held") > of_two + 2 * 4096 + 16'384; }));

  std::vector<std::unique_ptr<Client>> flood;
  for (int i = 0; i < 60; ++i) flood.push_back(begun_hello(90'000));
  CHECK(eventually([&] { return memory(gateway, "held") > 1'500'000; }));
  CHECK(memory(gateway, "held") < 2'400'000);
  CHECK(!gateway.has_metric(
      R"(sallyport_tls_handshake_failures_total{listener="edge",reason="memory_full"} 0)"));
  int status = 0;
  for (int looks = 0; looks < 4 && status != 200; ++looks) {
    gateway.advance(1100ms);
    status = gateway.ask(get("/beside")).status;
  }
  CHECK(status == 200);
}

TEST_CASE("content that only trickles gives way: what moves is weighed against what is held") {
  Origin origin;
  Gateway gateway(routes(origin, "2MiB"));
  std::vector<std::unique_ptr<Client>> flood;
  for (int i = 0; i < 3; ++i) {
    flood.push_back(gateway.connect());
    CHECK(
        flood.back()->send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                           "Content-Length: 600000\r\n\r\n[" +
                           std::string(450'000, ' ')));
    CHECK(gateway.ask(get("/beside")).status == 200);
  }
  // All of it is there: what is still on its way would count as movement.
  CHECK(eventually([&] { return memory(gateway, "held") > 3 * 450'000; }));
  const std::string none = "sallyport_memory_refusals_total{what=\"gave_way\"} 0";
  bool gave_way = false;
  for (int looks = 0; looks < 20 && !gave_way; ++looks) {
    gateway.advance(300ms);
    for (auto& client : flood) client->send(" ");
    gateway.ask(get("/beside"));
    gave_way = gateway.admin("/metrics").body.find(none) == std::string::npos;
  }
  CHECK(gave_way);
}

TEST_CASE("interim answers are bounded, and a client that does not read gets no more of them") {
  const std::string hint = "HTTP/1.1 103 Early Hints\r\nLink: " + std::string(30'000, 'a') + "\r\n\r\n";
  const Origin::Answer ok = Origin::ok("ok");
  Origin origin([&](const OriginRequest& r) {
    if (r.head.find("/beside") != std::string::npos) return ok(r);
    return hint + hint + (r.head.find("/three") != std::string::npos ? hint : "") + ok(r);
  });
  Gateway gateway(routes(origin, "64MiB"));
  auto reads = gateway.connect();
  CHECK(reads->ask(get("/two")).status == 103);
  CHECK(reads->read().status == 103);
  CHECK(reads->read().status == 200);
  CHECK(reads->ask(get("/three")).status == 103);
  CHECK(reads->read().status == 103);
  CHECK(reads->read().status == 502);

  ClientOptions h2;
  h2.alpn = std::string("\x02h2");
  h2.receive_buffer = 4096;
  auto does_not = gateway.connect(h2);
  CHECK(does_not->send(preface));
  for (uint32_t id = 1; id < 200; id += 2) {
    CHECK(does_not->send(frame(1, end_headers_and_stream, id, head(false, "/x"))));
    if (id % 20 == 19) CHECK(eventually([&] { return origin.requests().size() == 2 + (id + 1) / 2; }));
  }
  CHECK(gateway.ask(get("/beside")).status == 200);
  CHECK(memory(gateway, "held") < 16'000'000);  // heads that are kept, and few that wait
}

TEST_CASE("a body in chunks of one byte comes through the checks in good time") {
  Origin origin;
  Gateway gateway(routes(origin, "64MiB"));
  auto client = gateway.connect();
  std::string chunks = "1\r\n[\r\n";
  for (int i = 0; i < 200'000; ++i) chunks += "1\r\n \r\n";
  CHECK(
      client->send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n" +
                   chunks + "1\r\n]\r\n0\r\n\r\n"));
  CHECK(client->read().status == 200);
  CHECK(origin.last().body.size() == 200'002);
}

TEST_CASE("a document that would take more memory than there ever is is told so, and not to come again") {
  Origin origin;
  Gateway gateway(routes(origin, "8MiB"));
  const auto ask = [&](size_t bytes) {
    return gateway.ask(post("/orders", "[\"" + std::string(bytes - 4, 'x') + "\"]"));
  };
  CHECK(ask(300'000).status == 200);
  const Response never = ask(400'000);
  CHECK(never.status == 413);
  CHECK(never.header("retry-after").empty());
  CHECK(never.body.find("http.memory") != std::string::npos);
}

TEST_CASE("a reload that asks for more memory than there is is refused, and what was in force goes on") {
  const std::string route =
      "limits: { l: { rate: 9/1s, by: ip } }\n"
      "routes: [ { name: r, match: { path: / }, authenticate: public, limit: [l], respond: { status: 200 } } "
      "]\n";
  Gateway gateway(route, {}, {.sanitizer = "max_allocation_size_mb=256:allocator_may_return_null=1"});
  gateway.rewrite_config("stores: { memory: { entries: 67108864 } }\n" + route);
  gateway.reload();
  CHECK(gateway.told("there is not enough memory for this config"));
  CHECK(gateway.ask(get("/")).status == 200);
}
