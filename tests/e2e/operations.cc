// Operations: reload, drain, workers, a full disk, the commands.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <future>
#include <memory>
#include <sstream>
#include <vector>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string respond(const std::string& body) {
  return "routes:\n  - { name: only, match: { path: /x }, authenticate: public, respond: { status: 200, "
         "body: \"" +
         body + "\" } }\n";
}

// A backend that answers nothing as long as this lives.
struct Unanswered {
  std::promise<void> over;
  Origin origin{[end = over.get_future().share()](const OriginRequest& r) {
    end.wait();
    return Origin::ok("")(r);
  }};
  ~Unanswered() { over.set_value(); }

  std::string config(const std::string& drain_timeout) const {
    return "shutdown: { drain_timeout: " + drain_timeout + " }\nupstreams: { web: { targets: [\"" +
           origin.target() +
           "\"] } }\nroutes:\n"
           "  - { name: x, match: { path: /x }, authenticate: public, forward: { to: web } }\n";
  }
  // Has asked, and the backend knows.
  std::unique_ptr<Client> ask(const Gateway& gateway) const {
    auto client = gateway.connect();
    CHECK(client->send(get("/x")));
    CHECK(eventually([&] { return origin.requests().size() == 1; }));
    return client;
  }
};

}  // namespace

TEST_CASE("SIGHUP reads the config again; a bad one leaves the old in force") {
  Gateway gateway(respond("one"));
  CHECK(gateway.ask(get("/x")).body == "one");
  gateway.rewrite_config(respond("two"));
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).body == "two"; }));
  INFO(gateway.errors());
  gateway.rewrite_config("routs: []\n");
  gateway.reload();
  CHECK(gateway.has_metric(R"(sallyport_config_reloads_total{result="failure"} 1)"));
  CHECK(gateway.told("did you mean \\\"routes\\\"?"));
  CHECK(gateway.ask(get("/x")).body == "two");
}

TEST_CASE("a config whose limit cannot be read does not end the gateway that serves") {
  Gateway gateway(respond("one"));
  const std::string limited =
      "routes: [ { name: x, match: { path: /x }, authenticate: public, limit: [a], respond: "
      "{ status: 204 } } ]\n";
  int failures = 0;
  for (const std::string wrong :
       {"{ rate: 1/1s, by: ip, store: rediss }", "{ rate: 1/1s, by: \"header:\" }", "[]"}) {
    gateway.rewrite_config("limits: { a: " + wrong + " }\n" + limited);
    gateway.reload();
    CHECK(gateway.has_metric("sallyport_config_reloads_total{result=\"failure\"} " +
                             std::to_string(++failures)));
    CHECK(gateway.ask(get("/x")).body == "one");
  }
}

TEST_CASE("SIGTERM drains: what is under way is finished, and the exit status is 0") {
  std::atomic<bool> asked{false}, let_go{false};
  Origin slow([&](const OriginRequest& r) {
    asked = true;
    eventually([&] { return let_go.load(); });
    return Origin::ok("late")(r);
  });
  Gateway gateway("upstreams: { web: { targets: [\"" + slow.target() +
                  "\"] } }\nroutes:\n"
                  "  - { name: x, match: { path: /x }, authenticate: public, forward: { to: web } }\n");
  auto busy = gateway.connect();
  auto idle = gateway.connect();
  CHECK(idle->connected());
  busy->send(get("/x"));
  CHECK(eventually([&] { return asked.load(); }));
  const int port = gateway.port();
  gateway.process().signal(SIGTERM);
  CHECK(eventually([&] { return !Client(port, {.tls = false}).connected(); }));
  let_go = true;
  const Response r = busy->read();
  CHECK(r.body == "late");
  CHECK(r.header("connection") == "close");
  busy.reset();
  CHECK(gateway.process().wait() == 0);
}

TEST_CASE("SIGTERM: newcomers have their first answer, and kept connections end in order") {
  Gateway gateway(respond(""));
  const auto kept = gateway.connect(), hot = gateway.connect(), silent = gateway.connect();
  CHECK(kept->ask(get("/x")).status == 200);
  CHECK(hot->ask(get("/x")).status == 200);
  std::vector<std::unique_ptr<Client>> newcomers;
  newcomers.push_back(gateway.connect());
  newcomers.push_back(std::make_unique<Client>(gateway.port("mesh"), ClientOptions{.tls = false}));
  CHECK(newcomers.front()->connected());
  gateway.process().signal(SIGTERM);
  CHECK(hot->ask(get("/x")).status == 200);
  CHECK(hot->at_end());
  CHECK(eventually([&] { return !Client(gateway.port("mesh"), {.tls = false}).connected(); }));
  CHECK(kept->at_end());
  CHECK(kept->ended_in_order());
  for (const auto& client : newcomers) {
    const Response r = client->ask(get("/x"));
    CHECK(r.status == 200);
    CHECK(r.header("connection") == "close");
  }
  gateway.advance(2s);
  CHECK(silent->at_end());
  CHECK(gateway.process().wait() == 0);
}

TEST_CASE("SIGTERM: what is cut is told so in the log") {
  Unanswered slow;
  Gateway gateway(slow.config("5s"));
  const auto busy = slow.ask(gateway);
  gateway.process().signal(SIGTERM);
  CHECK(gateway.told("draining"));
  CHECK(eventually([&] {
    gateway.advance(1s);
    return gateway.log_line("\"reason\":\"drain_timeout\"") != "";
  }));
  CHECK(gateway.process().wait() == 0);
}

TEST_CASE("a second SIGTERM, or SIGINT, cuts what is under way at once") {
  for (const int second : {SIGTERM, SIGINT}) {
    Unanswered slow;
    Gateway gateway(slow.config("1h"), {}, {.workers = "2"});  // one of them has nothing to drain
    const auto busy = slow.ask(gateway);
    gateway.process().signal(SIGTERM);
    CHECK(gateway.told("draining"));
    gateway.process().signal(second);
    CHECK(eventually([&] { return !gateway.process().running(); }));
    CHECK(gateway.process().wait() == 0);
    CHECK(gateway.told("drain_cut_short"));
    CHECK(gateway.log_line("\"reason\":\"drain_timeout\"") != "");
  }
}

TEST_CASE("SIGTERM: who waits in the backlog is answered") {
  Gateway gateway(respond(""));
  const int port = gateway.port("mesh");
  gateway.process().signal(SIGSTOP);
  std::vector<std::unique_ptr<Client>> waiting;
  for (int i = 0; i < 300; ++i) {
    waiting.push_back(std::make_unique<Client>(port, ClientOptions{.tls = false}));
    CHECK(waiting.back()->send(get("/x")));
  }
  gateway.process().signal(SIGTERM);
  gateway.process().signal(SIGCONT);
  size_t answered = 0;
  for (const auto& client : waiting) answered += client->read().status == 200 ? 1 : 0;
  CHECK(answered == waiting.size());
  waiting.clear();
  CHECK(gateway.process().wait() == 0);
}

TEST_CASE("a signal that comes while the config is read waits for it") {
  const TempDir dir;
  std::string text =
      "version: 1\nlisteners: [ { name: mesh, address: \"127.0.0.1:0\", plaintext: true } ]\n" + respond("");
  for (int i = 0; i < 3000; ++i)
    text += "  - { name: r" + std::to_string(i) + ", match: { path: /r" + std::to_string(i) +
            " }, authenticate: public, respond: { status: 200 } }\n";
  const std::string config = dir.write("gateway.yaml", text);
  pollfd opened{inotify_init1(IN_CLOEXEC), POLLIN, 0};
  inotify_add_watch(opened.fd, config.c_str(), IN_OPEN);
  Process gateway(dir, "gateway", {binary(), "run", config});
  REQUIRE(poll(&opened, 1, 20'000) == 1);
  gateway.signal(SIGTERM);
  close(opened.fd);
  CHECK(gateway.wait() == 0);
  CHECK(gateway.err().find(" draining ") != std::string::npos);
}

TEST_CASE("a config that a worker gives back last goes in good order") {
  std::string many = respond("one");
  for (int i = 0; i < 12000; ++i)
    many += "  - { name: r" + std::to_string(i) + ", match: { path: /r" + std::to_string(i) +
            " }, authenticate: { any_of: [keys] }, respond: { status: 200 } }\n";
  Gateway gateway(
      "authenticators: { keys: { type: api_key, file: keys.yaml } }\n" + many, [](const TempDir& dir) {
        const std::string made =
            run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "c"}).out;
        CHECK(made.starts_with("sp_"));
      });
  CHECK(gateway.stop() == 0);
}

TEST_CASE("a certificate that is replaced on disk serves the next handshake; a broken one does not") {
  const auto put = [](const TempDir& dir, const std::string& name) {
    dir.write("edge.key", certificates().read(name + ".key"));
    dir.write("edge.crt", certificates().read(name + ".crt"));
  };
  Gateway gateway(respond("x"), [&](const TempDir& dir) { put(dir, "tls"); },
                  {.edge_tls = "certificates: [ { cert: edge.crt, key: edge.key } ]"});
  auto early = gateway.connect();
  CHECK(early->certificate_name() == "api.test");
  put(gateway.dir(), "other");
  CHECK(eventually([&] { return gateway.connect()->certificate_name() == "other.test"; }));
  CHECK(early->ask(get("/x")).status == 200);
  gateway.dir().write("edge.crt", "nonsense");
  CHECK(gateway.told("certificate_reload_failed"));
  CHECK(gateway.connect()->certificate_name() == "other.test");
  CHECK(gateway.errors().find("PRIVATE KEY") == std::string::npos);
}

TEST_CASE("a reload opens and closes listeners, and leaves the others alone") {
  Origin other;  // has a port
  Gateway gateway(respond("one"));
  auto kept = gateway.connect();
  CHECK(kept->ask(get("/x")).body == "one");
  const std::string extra = "  - { name: extra, address: \"127.0.0.1:0\", plaintext: true }\n";
  gateway.rewrite_config(respond("two"), extra);
  gateway.reload();
  REQUIRE(eventually([&] { return gateway.errors().find("listening name=extra") != std::string::npos; }));
  const int port = gateway.port("extra");
  Client plain(port, {.tls = false});
  CHECK(plain.ask(get("/x")).body == "two");
  CHECK(kept->ask(get("/x")).body == "two");
  gateway.rewrite_config(respond("three"));
  gateway.reload();
  CHECK(eventually([&] { return !Client(port, {.tls = false}).connected(); }));
  CHECK(kept->ask(get("/x")).body == "three");
  gateway.rewrite_config(respond("four"), "  - { name: taken, address: \"127.0.0.1:" +
                                              std::to_string(other.port()) + "\", plaintext: true }\n");
  gateway.reload();
  CHECK(gateway.told("cannot listen on"));
  CHECK(kept->ask(get("/x")).body == "three");
}

TEST_CASE("a unix listener") {
  const TempDir dir;
  Gateway gateway(respond("here"), {},
                  {.more_listeners = "  - { name: local, address: \"unix:" + dir.path("edge.sock") +
                                     "\", plaintext: true }\n"});
  const Finished asked = run({"curl", "-s", "--unix-socket", dir.path("edge.sock"), "http://local/x"});
  CHECK(asked.out == "here");
  CHECK(gateway.log_line("\"listener\":\"local\"").find("\"status\":200") != std::string::npos);
}

TEST_CASE("two workers: sessions, limits and counters are one gateway's") {
  Gateway gateway(
      "limits: { few: { rate: 5/1h, by: ip } }\nroutes:\n"
      "  - { name: x, match: { path: /x }, authenticate: public, limit: [few], respond: { status: 200 } }\n"
      "  - { name: y, match: { path: /y }, authenticate: public, respond: { status: 200 } }\n",
      {}, {.workers = "2"});
  auto first = gateway.connect();
  CHECK(first->ask(get("/y")).status == 200);
  int passed = 0, resumed = 0;
  for (int i = 0; i < 30; ++i) {  // by chance they fall on both
    auto client = gateway.connect({.session = first->session()});
    resumed += client->resumed() ? 1 : 0;
    passed += client->ask(get("/x")).status == 200 ? 1 : 0;
  }
  CHECK(passed == 5);
  CHECK(resumed == 30);
  CHECK(gateway.has_metric(R"(sallyport_requests_total{method="GET",route="x",status="200"} 5)"));
  CHECK(gateway.has_metric(R"(sallyport_requests_total{method="GET",route="x",status="429"} 25)"));
  CHECK(gateway.log_line("\"route\":\"x\"", "\"status\":429") != "");
  gateway.rewrite_config(respond("new"));
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/y")).status == 404; }));
  for (int i = 0; i < 10; ++i) CHECK(gateway.ask(get("/x")).body == "new");
}

TEST_CASE("a log file that is moved away goes on in a new one after SIGHUP") {
  Gateway gateway(respond("x"));
  gateway.ask(get("/x", "User-Agent: before\r\n"));
  CHECK(gateway.log_line("before") != "");
  CHECK(std::rename(gateway.dir().path("access.log").c_str(), gateway.dir().path("old.log").c_str()) == 0);
  gateway.reload();
  CHECK(eventually([&] {
    gateway.ask(get("/x", "User-Agent: after\r\n"));
    return gateway.dir().read("access.log").find("after") != std::string::npos;
  }));
  CHECK(gateway.dir().read("old.log").find("before") != std::string::npos);
}

TEST_CASE("a full disk under the access log stops nobody") {
  Gateway gateway("log: { access: { to: \"file:/dev/full\" } }\n" + respond("fine"));
  for (int i = 0; i < 50; ++i) CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.told("access_log_stuck"));
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.stop() == 0);
  CHECK(gateway.told("access_log_stuck_at_end lines_lost=51"));
}

TEST_CASE("shadow mode decides, counts and logs, and lets pass") {
  Gateway gateway(
      "limits: { one: { rate: 1/1h, by: ip } }\nroutes:\n"
      "  - { name: x, match: { path: /x }, authenticate: public, limit: { use: [one], mode: shadow }, "
      "respond: { status: 200 } }\n");
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.log_line("\"would_refuse\":\"limit:over_limit\"").find("\"status\":200") !=
        std::string::npos);
  CHECK(gateway.has_metric(
      R"(sallyport_refusals_total{mode="shadow",policy="limit",reason="over_limit",route="x"} 1)"));
}

TEST_CASE("what a key set's url has in its query is shown to nobody") {
  Gateway gateway(
      "authenticators: { idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
      "jwks: { url: \"http://127.0.0.1:1/jwks?tenant=t1&code=s3cret\" } } }\n" +
      respond(""));
  const Finished shown = run({binary(), "show", gateway.dir().path("gateway.yaml")});
  for (const std::string& text : {shown.out, gateway.admin("/config").body}) {
    CHECK(text.find("http://127.0.0.1:1/jwks?tenant=***&code=***") != std::string::npos);
    CHECK(text.find("s3cret") == std::string::npos);
  }
  CHECK(gateway.errors().find("s3cret") == std::string::npos);
}

TEST_CASE("check, show and version") {
  TempDir dir;
  const std::string c = certificates().path();
  const std::string head =
      "version: 1\nlisteners:\n  - { name: edge, address: \"127.0.0.1:0\", tls: { certificates: [ { cert: " +
      c + "/tls.crt, key: " + c + "/tls.key } ] } }\n";
  const std::string good = dir.write("good.yaml", head + respond("x"));
  const Finished ok = run({binary(), "check", good});
  CHECK(ok.status == 0);
  CHECK(ok.out.starts_with("ok: "));
  const std::string bad = dir.write("bad.yaml", head + "limits: { a: { rate: fast } }\n" + respond("x"));
  const Finished wrong = run({binary(), "check", bad});
  CHECK(wrong.status == 78);
  CHECK(wrong.err.find("bad.yaml:4:22: limits.a.rate: \"fast\" is not a rate") != std::string::npos);
  const Finished shown = run({binary(), "show", good});
  CHECK(shown.status == 0);
  CHECK(shown.out.find("header_timeout: ") != std::string::npos);
  const std::string unwise = dir.write(
      "unwise.yaml",
      head + "upstreams: { app: { targets: [\"http://127.0.0.1:1\"] } }\n" +
          "authenticators: { idp: { type: jwt, issuer: i, audiences: [a], algorithms: [ES256], jwks: { "
          "url: \"https://idp.invalid/jwks\" } } }\nroutes:\n"
          "  - { name: site, match: { path: \"/{rest...}\" }, authenticate: public, forward: { to: "
          "app } }\n"
          "  - { name: admin, match: { path: \"/admin/{rest...}\" }, authenticate: { any_of: [idp] }, "
          "forward: { to: app } }\n");
  const Finished warned = run({binary(), "check", unwise});
  CHECK(warned.status == 0);
  CHECK(warned.out.starts_with("ok: "));
  CHECK(warned.err.find("unwise.yaml:7:26: warning: route \"site\"") != std::string::npos);
  dir.write("shown.yaml", shown.out);
  CHECK(run({binary(), "check", dir.path("shown.yaml")}).status == 0);
  std::istringstream versions(run({binary(), "version"}).out);
  int libraries = 0;
  for (std::string line; std::getline(versions, line); ++libraries) {
    CAPTURE(line);
    CHECK(std::isdigit(static_cast<unsigned char>(line[line.rfind(' ') + 1])) != 0);
  }
  CHECK(libraries == 12);
  CHECK(run({binary(), "frobnicate"}).status == 2);
  CHECK(run({binary(), "run", dir.path("none.yaml")}).status == 78);
}

TEST_CASE("a command whose output goes nowhere has failed, and says so in one line") {
  TempDir dir;
  std::string config =
      "version: 1\nlisteners: [{ name: m, address: \"127.0.0.1:0\", plaintext: true }]\nroutes:\n";
  for (int i = 0; i < 100; ++i)  // more than stdout keeps before it writes
    config += "  - { name: r" + std::to_string(i) + ", match: { path: /" + std::to_string(i) +
              " }, authenticate: public, respond: { status: 204 } }\n";
  const std::string file = dir.write("gateway.yaml", config);
  const auto sent = [](const std::string& to, std::vector<std::string> words) {
    words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$@\" " + to, "sh", binary()});
    return run(words);
  };
  for (const std::string to : {">/dev/full", ">&-"}) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"check", file}, {"show", file}, {"version"}, {"--help"}}) {
      CAPTURE(to + " " + words.front());
      const Finished done = sent(to, words);
      CHECK(done.status == 1);
      CHECK(done.err.starts_with("sallyport: cannot write to stdout: "));
      CHECK(std::ranges::count(done.err, '\n') == 1);
    }
  }
  CHECK(sent(">/dev/null", {"show", file}).status == 0);
  CHECK(sent(">/dev/full", {"check", dir.path("none.yaml")}).status == 78);
}
