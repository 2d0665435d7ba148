// Connections that switch protocols: WebSockets through the gateway.
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <thread>
#include <vector>

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

// Half a frame, and what stands between two: each is sent back by the origin.
const std::string half =
    "\x82\x03"
    "ab";
const std::string frame = half + "c";
const std::string going_away = "\x88\x02\x03\xe9";  // Close with status 1001 (RFC 6455 section 7.4.1)

// A frame of HTTP/2 for the first stream.
std::string h2_frame(char type, char flags, const std::string& payload) {
  return std::string(2, '\0') + static_cast<char>(payload.size()) + type + flags +
         std::string("\0\0\0\1", 4) + payload;
}

// An extended CONNECT (RFC 8441), in HPACK without its tables.
std::string h2_wish() {
  std::string block;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{":method", "CONNECT"},
                                                        {":protocol", "websocket"},
                                                        {":scheme", "https"},
                                                        {":path", "/ws"},
                                                        {":authority", "api.test"},
                                                        {"sec-websocket-version", "13"}})
    block += '\0' + std::string(1, static_cast<char>(name.size())) + name + static_cast<char>(value.size()) +
             value;
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9) + h2_frame(1, 4, block);
}

bool reads(Client& client, const std::string& text) {
  for (std::string got; got.find(text) == std::string::npos;) {
    const std::string some = client.read_some();
    if (some.empty()) return false;
    got += some;
  }
  return true;
}

// The answer to whatever key the gateway has made for a client of HTTP/2 (RFC 6455 section 4.2.2).
std::string switching_for(const OriginRequest& request) {
  const std::string name = "Sec-WebSocket-Key: ";
  const size_t at = request.head.find(name) + name.size();
  const std::string text =
      request.head.substr(at, request.head.find('\r', at) - at) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 29> accept;
  EVP_EncodeBlock(accept.data(), digest.data(), static_cast<int>(digest.size()));
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         std::string(accept.begin(), accept.end() - 1) + "\r\n\r\n";
}

// A key of a file of its own, in the gateway's directory.
std::string made_key(const TempDir& dir, const std::string& file) {
  const Finished made = run({binary(), "keys", "create", "--file", dir.path(file), "--client", "c"});
  return made.out.substr(0, made.out.find('\n'));
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

TEST_CASE(
    "a WebSocket whose client has ended, and whose backend does not, ends soon, and gives way to others") {
  std::promise<void> over;
  TcpServer backend([&, end = over.get_future().share()](int fd, int) {
    Received received(fd);
    received.until("\r\n\r\n");
    send_all(fd, switching);
    while (end.wait_for(50ms) != std::future_status::ready && send_all(fd, frame)) continue;  // and speaks on
  });
  Origin origin;
  const std::string config =
      "http: { memory: 1MiB }\nupstreams:\n  deaf: { targets: [\"http://127.0.0.1:" +
      std::to_string(backend.port()) + "\"] }\n  web: { targets: [\"" + origin.target() +
      "\"] }\nroutes:\n"
      "  - { name: ws, match: { path: /ws }, authenticate: public, forward: { to: deaf, upgrade: "
      "[websocket], "
      "idle_timeout: 1h } }\n"
      "  - { name: x, match: { path: /x }, authenticate: public, forward: { to: web } }\n";
  Gateway gateway(config);
  const auto half_closed = [&] {
    ClientOptions plain;
    plain.tls = false;
    auto client = std::make_unique<Client>(gateway.port("mesh"), plain);
    if (client->ask(get("/ws", wish)).status != 101) return std::unique_ptr<Client>();
    client->half_close();
    return client;
  };
  auto one = half_closed();
  REQUIRE(one);
  gateway.advance(9s);
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.has_metric(R"(sallyport_connections{listener="mesh"} 1)"));
  CHECK(eventually([&] {
    gateway.advance(1s);
    return gateway.has_metric(R"(sallyport_connections{listener="mesh"} 0)");
  }));
  std::vector<std::unique_ptr<Client>> flood;
  while (flood.size() < 200) {
    flood.push_back(half_closed());
    if (flood.back() == nullptr) break;
  }
  CHECK(flood.size() < 200);
  int status = 0;
  for (int looks = 0; looks < 3 && status != 200; ++looks) {
    gateway.advance(2100ms);
    status = gateway.ask(get("/x")).status;
  }
  CHECK(status == 200);
  CHECK(gateway.told("memory_relief"));
  flood.clear();
  over.set_value();
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

TEST_CASE("the end of a drain closes a WebSocket with 1001, between two frames") {
  Origin origin(Origin::ok("x"), switching_for);
  Gateway gateway("shutdown: { drain_timeout: 1h }\n" + routes(origin, "public", "2h"));
  ClientOptions two;
  two.alpn = std::string("\x02h2");
  const auto silent = gateway.connect(), client = gateway.connect(), cut = gateway.connect(),
             h2 = gateway.connect(two), cut_h2 = gateway.connect(two);
  for (const auto& one : {&silent, &client, &cut}) CHECK((*one)->ask(get("/ws", wish)).status == 101);
  client->send(frame);
  CHECK(read_exactly(*client, frame.size()) == frame);
  cut->send(half);
  CHECK(read_exactly(*cut, half.size()) == half);
  CHECK(h2->send(h2_wish() + h2_frame(0, 0, frame)));
  CHECK(reads(*h2, h2_frame(0, 0, frame)));
  CHECK(cut_h2->send(h2_wish() + h2_frame(0, 0, half)));
  CHECK(reads(*cut_h2, h2_frame(0, 0, half)));
  gateway.process().signal(SIGTERM);
  CHECK(gateway.told("draining"));
  gateway.process().signal(SIGTERM);
  CHECK(read_exactly(*silent, going_away.size()) == going_away);
  CHECK(silent->at_end());
  CHECK(read_exactly(*client, going_away.size()) == going_away);
  CHECK(client->at_end());
  CHECK(cut->at_end());
  constexpr char end_stream = 1;
  CHECK(reads(*h2, h2_frame(0, end_stream, going_away)));
  CHECK_FALSE(reads(*cut_h2, going_away));
  CHECK(gateway.process().wait() == 0);
  CHECK(gateway.log_line("\"status\":101").find("\"reason\":\"drain_timeout\"") != std::string::npos);
}

TEST_CASE("a WebSocket whose key is not in the file that a reload names is closed with 1008") {
  std::string kept, gone;
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(
      "authenticators: { keys: { type: api_key, file: old.yaml } }\n" + routes(origin, "{ any_of: [keys] }"),
      [&](const TempDir& dir) {
        kept = made_key(dir, "old.yaml");
        dir.write("new.yaml", dir.read("old.yaml"));
        gone = made_key(dir, "old.yaml");
      });
  const auto client = gateway.connect(), stays = gateway.connect();
  CHECK(client->ask(get("/ws", wish + "X-API-Key: " + gone + "\r\n")).status == 101);
  CHECK(stays->ask(get("/ws", wish + "X-API-Key: " + kept + "\r\n")).status == 101);
  gateway.change("old.yaml", "new.yaml");
  CHECK(gateway.told("config_reloaded"));
  gateway.advance(2s);
  CHECK(read_exactly(*client, 4) == std::string("\x88\x02\x03\xf0"));
  CHECK(client->at_end());
  CHECK(gateway.log_line("\"status\":101").find(R"("reason":"unknown_key")") != std::string::npos);
  stays->send(frame);
  CHECK(read_exactly(*stays, frame.size()) == frame);
  // Judged by the new file from here on.
  CHECK(
      run({binary(), "keys", "revoke", "--file", gateway.dir().path("new.yaml"), "--id", kept.substr(3, 12)})
          .status == 0);
  CHECK(gateway.told("keys_reloaded"));
  gateway.advance(2s);
  CHECK(read_exactly(*stays, 4) == std::string("\x88\x02\x03\xf0"));
}

TEST_CASE("a WebSocket whose token is signed by none of the keys that a reload names is closed with 1008") {
  const Issuer issuer, other;
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(
      "authenticators: { idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
      "jwks: { file: old.json } } }\n" +
          routes(origin, "{ any_of: [idp] }"),
      [&](const TempDir& dir) {
        dir.write("old.json", issuer.jwks());
        dir.write("new.json", other.jwks());
      });
  const auto client = gateway.connect();
  CHECK(client->ask(get("/ws", wish + "Authorization: Bearer " + issuer.good() + "\r\n")).status == 101);
  gateway.change("old.json", "new.json");
  CHECK(gateway.told("config_reloaded"));
  gateway.advance(2s);
  CHECK(read_exactly(*client, 4) == std::string("\x88\x02\x03\xf0"));
}

TEST_CASE(
    "a WebSocket goes on where a reload leaves no authenticator of that name, or one with no keys yet") {
  const Issuer issuer;
  std::string key;
  Origin origin(Origin::ok("x"), [](const OriginRequest&) { return switching; });
  Gateway gateway(
      "authenticators:\n  keys: { type: api_key, file: keys.yaml }\n  idp: { type: jwt, issuer: "
      "\"https://idp\", audiences: [api], algorithms: [ES256], jwks: { file: jwks.json } }\n" +
          routes(origin, "{ any_of: [keys, idp] }"),
      [&](const TempDir& dir) {
        dir.write("jwks.json", issuer.jwks());
        key = made_key(dir, "keys.yaml");
      });
  const auto by_key = gateway.connect(), by_token = gateway.connect();
  CHECK(by_key->ask(get("/ws", wish + "X-API-Key: " + key + "\r\n")).status == 101);
  CHECK(by_token->ask(get("/ws", wish + "Authorization: Bearer " + issuer.good() + "\r\n")).status == 101);
  gateway.rewrite_config(
      "authenticators:\n  others: { type: api_key, file: keys.yaml }\n  idp: { type: jwt, issuer: "
      "\"https://idp\", audiences: [api], algorithms: [ES256], jwks: { url: \"http://127.0.0.1:1/\" } }\n" +
      routes(origin, "{ any_of: [others, idp] }"));
  gateway.reload();
  CHECK(gateway.told("config_reloaded"));
  for (const auto& one : {&by_key, &by_token}) {
    gateway.advance(2s);
    CHECK((*one)->send(frame));
    CHECK(read_exactly(**one, frame.size()) == frame);
  }
  CHECK(
      run({binary(), "keys", "revoke", "--file", gateway.dir().path("keys.yaml"), "--id", key.substr(3, 12)})
          .status == 0);
  CHECK(gateway.told("keys_reloaded"));
  gateway.advance(2s);
  CHECK(read_exactly(*by_key, 4) == std::string("\x88\x02\x03\xf0"));
}
