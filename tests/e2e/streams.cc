// Answers and uploads that last: they end when what the caller was let in with does.
#include <doctest/doctest.h>

#include <ctime>

#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

const std::string last_chunk = "0\r\n\r\n";

// By path: a stream of events and content of unknown length, both silent after one piece; half of what has a
// length; a lot of content of unknown length.
std::string answer(const OriginRequest& r) {
  const auto asked = [&](const std::string& path) { return r.head.find(path) != std::string::npos; };
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Type: ";
  if (asked("/events/counted")) return ok + "text/event-stream\r\nContent-Length: 10\r\n\r\nfirst";
  if (asked("/counted")) return ok + "text/plain\r\nContent-Length: 10\r\n\r\nfirst";
  const std::string chunked = "\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (asked("/whole")) return ok + "text/plain" + chunked + "5\r\nfirst\r\n" + last_chunk;
  if (asked("/broken")) return ok + "text/plain" + chunked + "5\r\nfirst\r\n" + Origin::close_mark;
  if (asked("/lot"))
    return ok + "text/event-stream" + chunked + "10000\r\n" + std::string(0x10000, 'x') + "\r\n" +
           Origin::times(4096);
  return ok + (asked("/events") ? "Text/Event-Stream; charset=utf-8" : "application/grpc") + chunked +
         "5\r\nfirst\r\n";
}

struct Story {
  explicit Story(const std::string& mode = "enforce")
      : gateway(
            "upstreams: { web: { targets: [\"" + origin.target() +
                "\"], body_timeout: 2h } }\nauthenticators:\n"
                "  keys: { type: api_key, file: keys.yaml }\n"
                "  idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
                "jwks: { file: "
                "jwks.json } }\nroutes:\n"
                "  - { name: any, match: { path: \"/{rest...}\" }, authenticate: { mode: " +
                mode +
                ", any_of: [idp, keys] }, forward: { to: web, idle_timeout: 2h } }\n"
                "  - { name: both, match: { path: \"/both/{rest...}\" }, authenticate: { all_of: [idp, "
                "keys] }, "
                "forward: { to: web, idle_timeout: 2h } }\n"
                "  - { name: checked, match: { path: /checked }, authenticate: { any_of: [keys] }, validate: "
                "{ body: { content_type: application/json, schema: any.json } }, forward: { to: web } }\n",
            [&](const TempDir& dir) {
              key = run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "c"}).out;
              key.resize(key.find('\n'));
              dir.write("jwks.json", issuer.jwks());
              dir.write("any.json", "{}");
            }) {}

  std::string with_key() const { return "X-API-Key: " + key + "\r\n"; }
  std::string with_token() const { return "Authorization: Bearer " + issuer.good() + "\r\n"; }
  void revoke() {
    CHECK(run({binary(), "keys", "revoke", "--file", gateway.dir().path("keys.yaml"), "--id",
               key.substr(3, 12)})
              .status == 0);
    CHECK(gateway.told("keys_reloaded"));
  }
  // How the line of that path ends, in its own words.
  bool logged(const std::string& path, const std::string& reason) const {
    const std::string line = gateway.log_line("\"path\":\"" + path + "\"");
    return line.find("\"status\":200") != std::string::npos &&
           line.find(R"("refused_by":"authenticate","reason":")" + reason + "\"") != std::string::npos;
  }

  std::string key;
  Issuer issuer;
  Origin origin{answer};
  Gateway gateway;
};

// Half of a request whose content has no end yet.
std::unique_ptr<Client> uploading(const Story& s, const std::string& path, const std::string& headers) {
  auto client = s.gateway.connect();
  CHECK(client->send("POST " + path + " HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\n" +
                     headers + "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"));
  return client;
}

// The head has come, and the first piece.
std::unique_ptr<Client> begun(const Story& s, const std::string& path, const std::string& headers) {
  auto client = s.gateway.connect();
  CHECK(client->send(get(path, headers)));
  CHECK(client->read(true).status == 200);
  std::string seen;
  while (seen.find("first") == std::string::npos) {
    const std::string some = client->read_some();
    REQUIRE(some != "");
    seen += some;
  }
  return client;
}

constexpr const char* active = R"(sallyport_upstream_connections{state="active",upstream="web"} )";

}  // namespace

TEST_CASE(
    "a silent event stream whose key is revoked ends in order, and the client hears why when it returns") {
  Story s;
  auto client = begun(s, "/events", s.with_key());
  s.gateway.advance(1min);
  CHECK(s.gateway.has_metric(active + std::string("1")));
  s.revoke();
  s.gateway.advance(2s);
  CHECK(client->read_some().ends_with(last_chunk));
  CHECK(s.logged("/events", "revoked"));
  CHECK(s.gateway.has_metric(active + std::string("0")));
  CHECK(client->ask(get("/events", s.with_key())).status == 401);  // over the same connection
}

TEST_CASE("an event stream ends when its token expires, one with several proofs at the first that does") {
  Story s;
  auto one = begun(s, "/events/1", s.with_token());
  auto both = begun(s, "/both/events", s.with_token() + s.with_key());
  auto key = begun(s, "/events/2", s.with_key());
  s.gateway.advance(9min);
  CHECK(s.gateway.has_metric(active + std::string("3")));
  s.gateway.advance(2min);  // with the 30 s that the issuer's clock may be behind
  CHECK(one->read_some().ends_with(last_chunk));
  CHECK(both->read_some().ends_with(last_chunk));
  CHECK(s.logged("/events/1", "expired"));
  CHECK(s.logged("/both/events", "expired"));
  CHECK(s.gateway.has_metric(active + std::string("1")));
  key->reset();
}

TEST_CASE("other content of unknown length breaks off, so that half of it is not taken for all") {
  Story s;
  auto stream = begun(s, "/stream", s.with_key());
  auto counted_events = begun(s, "/events/counted", s.with_key());
  s.revoke();
  s.gateway.advance(2s);
  CHECK(stream->at_end());  // without the last chunk
  CHECK(counted_events->at_end());
  CHECK(s.logged("/stream", "revoked"));
  CHECK(s.logged("/events/counted", "revoked"));
}

// HTTP/1.0 has nothing but the connection's end to say that this was all, and without TLS a FIN is that.
TEST_CASE(
    "over HTTP/1.0 content of unknown length that breaks off ends with a reset, what is whole in order") {
  Story s;
  const std::string old = " HTTP/1.0\r\nHost: a\r\n" + s.with_key() + "\r\n";
  const auto begin = [&](const std::string& path) {
    auto client = std::make_unique<Client>(s.gateway.port("mesh"), ClientOptions{.tls = false});
    CHECK(client->send("GET " + path + old));
    CHECK(client->read(true).status == 200);
    return client;
  };
  auto whole = begin("/whole"), broken = begin("/broken"), ended = begin("/stream"),
       events = begin("/events");
  CHECK(whole->read_some() == "first");
  CHECK(whole->at_end());
  CHECK(whole->ended_in_order());
  while (!broken->at_end()) {
  }
  CHECK(!broken->ended_in_order());
  CHECK(ended->read_some() == "first");
  CHECK(events->read_some() == "first");
  s.revoke();
  s.gateway.advance(2s);
  CHECK(ended->at_end());
  CHECK(!ended->ended_in_order());
  CHECK(events->at_end());
  CHECK(events->ended_in_order());
}

TEST_CASE("content that has a length is let finish, and a caller in shadow mode is not held to anything") {
  Story s, shadow("shadow");
  auto counted = begun(s, "/counted", s.with_key());
  auto events = begun(shadow, "/events", shadow.with_key());
  for (Story* story : {&s, &shadow}) {
    auto other = begun(*story, "/both/events", story->with_token() + story->with_key());
    story->revoke();
    story->gateway.advance(2s);
    CHECK(other->read_some().ends_with(last_chunk));  // the first has been looked at before
    CHECK(story->gateway.has_metric(active + std::string("1")));
  }
  counted->reset();
  events->reset();
}

TEST_CASE("a stream that never pauses is looked at, too") {
  Story s;
  auto client = s.gateway.connect();
  CHECK(client->send(get("/events/lot", s.with_key())));
  CHECK(client->read(true).status == 200);
  s.revoke();
  s.gateway.advance(2s);
  CHECK(s.gateway.has_metric(active + std::string("1")));
  size_t bytes = 0;
  std::string end;
  while (!end.ends_with(last_chunk)) {
    const std::string some = client->read_some();
    if (some.empty()) break;
    bytes += some.size();
    end = (end + some).substr(std::max(end.size() + some.size(), size_t{8}) - 8);
  }
  CHECK(end.ends_with(last_chunk));
  CHECK(bytes < 64u << 20);  // what stood in buffers, of 256 MiB
  CHECK(s.logged("/events/lot", "revoked"));
}

TEST_CASE("an event stream that began within the leeway of its token lasts as long as that") {
  Story s;
  const std::string token = s.issuer.token(R"({"iss":"https://idp","aud":"api","sub":"ann","exp":)" +
                                           std::to_string(std::time(nullptr) - 5) + "}");
  auto client = begun(s, "/events", "Authorization: Bearer " + token + "\r\n");
  s.gateway.advance(5s);
  CHECK(s.gateway.has_metric(active + std::string("1")));
  s.gateway.advance(5s);
  CHECK(s.gateway.has_metric(active + std::string("1")));
  s.gateway.advance(30s);
  CHECK(client->read_some().ends_with(last_chunk));
  CHECK(s.logged("/events", "expired"));
}

TEST_CASE(
    "an upload ends when its key is revoked: the backend never gets all of it, and the client hears why") {
  Story s;
  auto client = uploading(s, "/up", s.with_key());
  CHECK(eventually([&] { return s.gateway.has_metric(active + std::string("1")); }));
  s.revoke();
  s.gateway.advance(2s);
  const Response answer = client->read();
  CHECK(answer.status == 401);
  CHECK(answer.header("www-authenticate") == "ApiKey header=\"X-API-Key\"");
  client->send("0\r\n\r\n");
  const std::string line = s.gateway.log_line("\"path\":\"/up\"");
  CHECK(line.find(R"("refused_by":"authenticate","reason":"revoked")") != std::string::npos);
  CHECK(eventually([&] { return s.origin.requests().size() == 1; }));
  CHECK(s.origin.last().body == Origin::broken_off);
}

TEST_CASE("an upload ends when its token does, and says so as a refusal of the token would") {
  Story s;
  auto client = uploading(s, "/up", s.with_token());
  CHECK(eventually([&] { return s.gateway.has_metric(active + std::string("1")); }));
  s.gateway.advance(11min);
  const Response answer = client->read();
  CHECK(answer.status == 401);
  CHECK(answer.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""));
  CHECK(s.gateway.log_line("\"path\":\"/up\"").find("\"reason\":\"expired\"") != std::string::npos);
}

TEST_CASE("content that a policy waits for is not waited for any longer than its sender is allowed") {
  Story s;
  auto client = uploading(s, "/checked", s.with_key());
  s.revoke();
  s.gateway.advance(2s);
  CHECK(client->read().status == 401);
  const std::string line = s.gateway.log_line("\"path\":\"/checked\"");
  CHECK(line.find(R"("refused_by":"authenticate","reason":"revoked")") != std::string::npos);
  CHECK(s.origin.requests().empty());
}

TEST_CASE("what lasts ends when the issuer withdraws the key of its token, and not when it adds another") {
  Story s;
  const Issuer next("ES256", "k2");
  auto client = begun(s, "/events", s.with_token());
  const std::string both = s.issuer.jwks(), more = next.jwks();
  const size_t from = more.find('[') + 1;
  s.gateway.dir().write(
      "jwks.json", both.substr(0, both.rfind(']')) + "," + more.substr(from, more.rfind(']') - from) + "]}");
  CHECK(eventually([&] {
    return s.gateway.ask(get("/counted", "Authorization: Bearer " + next.good() + "\r\n")).status == 200;
  }));
  s.gateway.advance(2s);
  CHECK(s.gateway.has_metric(active + std::string("1")));
  s.gateway.dir().write("jwks.json", R"({"keys":[]})");
  CHECK(s.gateway.told("key_set_empty"));
  s.gateway.advance(2s);
  CHECK(client->read_some().ends_with(last_chunk));
  CHECK(s.logged("/events", "unknown_key"));
}
