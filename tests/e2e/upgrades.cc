// Connections that switch protocols: WebSockets through the gateway.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"
#include "tests/support/tcp_server.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

const std::string switching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const std::string wish =
    "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

std::string routes(const Origin& origin, const std::string& authenticate = "public",
                   const std::string& idle_timeout = "60s") {
  return "upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\nroutes:\n" +
         "  - { name: ws, match: { path: /ws }, authenticate: " + authenticate +
         ", forward: { to: web, upgrade: [websocket], idle_timeout: " + idle_timeout + " } }\n" +
         "  - { name: plain, match: { path: /plain }, authenticate: public, forward: { to: web } }\n";
}

std::string read_exactly(Client& client, size_t bytes) {
  std::string got;
  while (got.size() < bytes) {
    const std::string some = client.read_some();
    if (some.empty()) break;
    got += some;
  }
  return got;
}

}  // namespace

TEST_CASE("a WebSocket passes where the route allows it, byte for byte, both ways") {
  Origin origin(Origin::ok("plain"), [](const OriginRequest&) { return switching; });
  Gateway gateway(routes(origin));
  auto client = gateway.connect();
  const Response r = client->ask(get("/ws", wish));
  CHECK(r.status == 101);
  CHECK(r.header("upgrade") == "WebSocket");
  CHECK(r.header("connection") == "upgrade");
  CHECK(r.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK(r.header("x-request-id") != "");
  std::string bytes = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n";  // no HTTP any more
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(i % 251);
  CHECK(client->send(bytes));
  CHECK(read_exactly(*client, bytes.size()) == bytes);
  client->half_close();
  CHECK(client->at_end());
  CHECK(origin.connections() == 1);
  const std::string line = gateway.log_line("\"path\":\"/ws\"");
  CHECK(line.find("\"status\":101") != std::string::npos);
  CHECK(line.find("\"bytes_in\":" + std::to_string(bytes.size())) != std::string::npos);
  CHECK(line.find("\"bytes_out\":" + std::to_string(bytes.size())) != std::string::npos);
}

TEST_CASE("a WebSocket elsewhere is refused; a backend that does not switch ends the connection in order") {
  Origin origin(Origin::ok("no"));
  Gateway gateway(routes(origin));
  auto refused = gateway.connect();
  const Response r = refused->ask(get("/plain", wish) + get("/plain"));
  CHECK(r.status == 403);
  CHECK(r.body.find("forward.upgrade") != std::string::npos);
  CHECK(refused->at_end());
  CHECK(origin.connections() == 0);
  // What follows may be a WebSocket's frames: it is never read as a request (CVE-2026-2833).
  auto early = gateway.connect();
  CHECK(early->ask(get("/ws", wish) + get("/plain")).body == "no");
  CHECK(early->at_end());
  CHECK(origin.requests().size() == 1);
  CHECK(origin.last().has("Connection: upgrade"));
  CHECK(origin.last().has("Upgrade: WebSocket"));
}

TEST_CASE("a backend that switches to something else, or unasked, is not followed") {
  Origin origin(Origin::ok("x"), [](const OriginRequest& request) {
    if (request.head.find("/plain") != std::string::npos) return switching;
    return std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n");
  });
  Gateway gateway(routes(origin));
  CHECK(gateway.ask(get("/ws", wish)).status == 502);
  CHECK(gateway.ask(get("/plain")).status == 502);
}

TEST_CASE("a silent WebSocket ends after its idle timeout, one that moves does not") {
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(routes(origin));
  auto client = gateway.connect();
  CHECK(client->ask(get("/ws", wish)).status == 101);
  for (int i = 0; i < 3; ++i) {
    gateway.advance(40s);
    CHECK(client->send("ping"));
    CHECK(read_exactly(*client, 4) == "ping");
  }
  gateway.advance(61s);
  CHECK(client->at_end());
}

TEST_CASE("a client that breaks off frees the backend's connection of its WebSocket") {
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(routes(origin));
  auto client = gateway.connect();
  CHECK(client->ask(get("/ws", wish)).status == 101);
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 1)"));
  client->reset();
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="active",upstream="web"} 0)"));
}

TEST_CASE("in shadow mode no WebSocket is closed for its credentials") {
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(
      "authenticators: { keys: { type: api_key, file: keys.yaml } }\n" +
          routes(origin, "{ mode: shadow, any_of: [keys] }"),
      [&](const TempDir& dir) {
        CHECK(run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "c"}).status ==
              0);
      });
  auto client = gateway.connect();
  CHECK(client->ask(get("/ws", wish + "X-API-Key: junk\r\n")).status == 101);
  gateway.advance(3s);
  client->send("ping");
  CHECK(read_exactly(*client, 4) == "ping");
}

TEST_CASE("a WebSocket whose key is revoked is closed with 1008, between two frames") {
  std::string key;
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(
      "authenticators: { keys: { type: api_key, file: keys.yaml } }\n" + routes(origin, "{ any_of: [keys] }"),
      [&](const TempDir& dir) {
        key = run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "c"}).out;
        key.resize(key.find('\n'));
      });
  const std::string with_key = wish + "X-API-Key: " + key + "\r\n";
  CHECK(gateway.ask(get("/ws", wish)).status == 401);
  auto client = gateway.connect(), cut = gateway.connect();
  CHECK(client->ask(get("/ws", with_key)).status == 101);
  CHECK(cut->ask(get("/ws", with_key)).status == 101);
  client->send(
      "\x82\x03"
      "abc");
  CHECK(read_exactly(*client, 5) ==
        "\x82\x03"
        "abc");
  cut->send(
      "\x82\x03"
      "ab");  // half a frame
  CHECK(read_exactly(*cut, 4) ==
        "\x82\x03"
        "ab");
  CHECK(
      run({binary(), "keys", "revoke", "--file", gateway.dir().path("keys.yaml"), "--id", key.substr(3, 12)})
          .status == 0);
  CHECK(gateway.told("keys_reloaded"));
  gateway.advance(2s);
  CHECK(read_exactly(*client, 4) == std::string("\x88\x02\x03\xf0"));
  CHECK(client->at_end());
  CHECK(cut->at_end());
  const std::string line = gateway.log_line("\"status\":101");
  CHECK(line.find(R"("refused_by":"authenticate","reason":"revoked")") != std::string::npos);
}

TEST_CASE("a WebSocket whose token expires is closed with 1008") {
  const Issuer issuer;
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(
      "authenticators: { idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
      "jwks: { file: jwks.json } } }\n" +
          routes(origin, "{ any_of: [idp] }", "2h"),
      [&](const TempDir& dir) { dir.write("jwks.json", issuer.jwks()); });
  auto client = gateway.connect();
  CHECK(client->ask(get("/ws", wish + "Authorization: Bearer " + issuer.good() + "\r\n")).status == 101);
  gateway.advance(9min);
  const std::string frame =
      "\x82\x03"
      "abc";
  client->send(frame);
  CHECK(read_exactly(*client, frame.size()) == frame);  // it is good still
  gateway.advance(2min);                                // with the 30 s that the issuer's clock may be behind
  CHECK(read_exactly(*client, 4) == std::string("\x88\x02\x03\xf0"));
  CHECK(client->at_end());
  const std::string line = gateway.log_line("\"status\":101");
  CHECK(line.find(R"("refused_by":"authenticate","reason":"expired")") != std::string::npos);
}

TEST_CASE("a WebSocket whose backend takes nothing any more ends, though the backend goes on speaking") {
  std::atomic<bool> over{false};
  TcpServer deaf([&](int fd, int) {
    Received input(fd);
    input.until("\r\n\r\n");
    send_all(fd, switching);
    while (!over && send_all(fd, std::string("\x89\x00", 2))) std::this_thread::sleep_for(5ms);  // pings
  });
  Gateway gateway(
      "upstreams: { web: { targets: [\"http://127.0.0.1:" + std::to_string(deaf.port()) +
      "\"] } }\nroutes:\n  - { name: ws, match: { path: /ws }, authenticate: public, forward: { to: web, "
      "upgrade: [websocket] } }\n");
  Client client(gateway.port("mesh"), {.tls = false});
  CHECK(client.ask(get("/ws", wish)).status == 101);
  auto sending = std::async(std::launch::async, [&] {
    for (int i = 0; i < 64 && client.send(std::string(1 << 20, 'x')); ++i) {
    }
  });
  CHECK(eventually([&] {
    gateway.advance(1s);
    return sending.wait_for(10ms) == std::future_status::ready;
  }));
  CHECK(gateway.log_line("\"path\":\"/ws\"") != "");
  over = true;
  sending.wait();
}
