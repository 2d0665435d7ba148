// Limits that are counted in a Redis: shared, exact, and what happens when it dies.
#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "tests/support/fake_redis.h"
#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

// A real Redis on a port of its own.
struct Redis {
  TempDir dir;
  int port = free_port();
  std::unique_ptr<Process> process;
  Redis() { start(); }
  void start() {
    process = std::make_unique<Process>(
        dir, "redis",
        std::vector<std::string>{"redis-server", "--port", std::to_string(port), "--bind", "127.0.0.1",
                                 "--save", "", "--dir", dir.path(), "--daemonize", "no"});
    eventually([&] { return command({"PING"}) == "PONG\n"; });
  }
  void stop() { process.reset(); }
  std::string command(const std::vector<std::string>& words) const {
    std::vector<std::string> all = {"redis-cli", "-p", std::to_string(port)};
    all.insert(all.end(), words.begin(), words.end());
    return run(all).out;
  }
  std::string line(const std::vector<std::string>& words) const {
    const std::string out = command(words);
    return out.substr(0, out.find('\n'));
  }
};

std::string redis_limit(const std::string& host, int port, const std::string& when) {
  return "stores: { shared: { url: \"redis://" + host + ":" + std::to_string(port) + "\", timeout: 2s } }\n" +
         "limits: { few: { rate: 60/1h, burst: 2, by: route, store: shared, when_store_fails: " + when +
         " } }\n" + R"(
routes:
  - { name: x, match: { path: /x }, authenticate: public, limit: [few], respond: { status: 200 } }
)";
}

std::string redis_limit(const Redis& redis, const std::string& when) {
  return redis_limit("127.0.0.1", redis.port, when);
}

size_t times(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a limit in Redis: shared, exact to the millisecond, and it takes nothing when it refuses") {
  Redis redis;
  Gateway a(redis_limit(redis, "deny")), b(redis_limit(redis, "deny"));
  CHECK(eventually([&] { return a.ask(get("/x")).status != 503; }));  // connected
  CHECK(eventually([&] { return b.ask(get("/x")).status != 503; }));
  redis.command({"FLUSHALL"});
  redis.command({"SCRIPT", "FLUSH"});  // it is told the script again
  CHECK(a.ask(get("/x")).status == 200);
  const std::string key = redis.line({"KEYS", "sallyport:limit:few:*"});
  const auto full_at_us = [&] { return std::atoll(redis.line({"GET", key}).c_str()); };
  const auto expires_at_ms = [&] { return std::atoll(redis.line({"PEXPIRETIME", key}).c_str()); };
  const long long first = full_at_us();
  CHECK(std::llabs(expires_at_ms() - first / 1000) <= 1);
  const long left = std::atol(redis.line({"PTTL", key}).c_str());
  CHECK(left > 50'000);
  CHECK(left <= 60'000);
  const Response second = b.ask(get("/x"));
  CHECK(second.status == 200);
  CHECK(second.header("ratelimit").find("r=0") != std::string::npos);
  CHECK(full_at_us() == first + 60'000'000);
  for (Gateway* g : {&a, &b, &a}) {
    const Response r = g->ask(get("/x"));
    CHECK(r.status == 429);
    const int wait_s = std::atoi(r.header("retry-after").c_str());
    CHECK(wait_s > 50);
    CHECK(wait_s <= 60);
  }
  CHECK(full_at_us() == first + 60'000'000);
  CHECK(std::llabs(expires_at_ms() - full_at_us() / 1000) <= 1);
}

TEST_CASE("a dead Redis: as the config chose, and back by itself") {
  Redis redis;
  Gateway deny(redis_limit(redis, "deny")), allow(redis_limit(redis, "allow")),
      local(redis_limit(redis, "local"));
  for (Gateway* g : {&deny, &allow, &local})
    CHECK(eventually([&] { return g->has_metric("sallyport_store_failures_total{store=\"shared\"} 0"); }));
  redis.stop();
  CHECK(eventually([&] { return deny.ask(get("/x")).status == 503; }));
  const Response r = deny.ask(get("/x"));
  CHECK(r.header("retry-after") == "1");
  CHECK(deny.log_line("\"status\":503").find("store_unavailable") != std::string::npos);
  CHECK(eventually([&] { return allow.ask(get("/x")).header("ratelimit") == ""; }));
  for (int i = 0; i < 4; ++i) {
    const Response passed = allow.ask(get("/x"));
    CHECK(passed.status == 200);
    CHECK(passed.header("ratelimit") == "");  // nobody knows what is left
    CHECK(passed.header("ratelimit-policy") != "");
  }
  bool limited = false;
  for (int i = 0; i < 4; ++i) limited = limited || local.ask(get("/x")).status == 429;
  CHECK(limited);
  redis.start();
  CHECK(eventually([&] {
    deny.advance(1s);
    return deny.ask(get("/x")).status != 503;
  }));
}

TEST_CASE(
    "a caller in a hurry is served from leases: few questions to Redis, and never more than the burst") {
  Redis redis;
  const std::string config =
      "stores: { shared: { url: \"redis://127.0.0.1:" + std::to_string(redis.port) + R"(", timeout: 2s } }
limits: { many: { rate: 1000/10h, by: route, store: shared, when_store_fails: deny } }
routes:
  - { name: x, match: { path: /x }, authenticate: public, limit: [many], respond: { status: 200 } }
)";
  Gateway a(config), b(config);
  for (Gateway* g : {&a, &b}) CHECK(eventually([&] { return g->ask(get("/x")).status == 200; }));
  redis.command({"FLUSHALL"});
  const auto asked = [&] {  // how often a script ran
    const std::string stats = redis.command({"INFO", "commandstats"});
    const size_t at = stats.find("cmdstat_evalsha:calls=");
    return at == std::string::npos ? 0 : std::atoi(stats.c_str() + at + 22);
  };
  const auto taken = [&] {  // by Redis' own account
    const std::string key = redis.line({"KEYS", "sallyport:limit:many:*"});
    const long long now = std::atoll(redis.line({"TIME"}).c_str());
    return (std::atoll(redis.line({"GET", key}).c_str()) / 1'000'000 - now) / 36;
  };
  const int before = asked();
  Client client(a.port());
  for (int i = 0; i < 400; ++i) CHECK(client.ask(get("/x")).status == 200);
  CHECK(asked() - before < 150);
  CHECK(taken() >= 398);
  CHECK(taken() <= 400 + 10);  // a hundredth of the burst is held, at most
  int passed = 400;
  for (Gateway* g : {&b, &a}) {
    Client other(g->port());
    Response r;
    for (int i = 0; i < 1000 && r.status != 429; ++i) {
      r = other.ask(get("/x"));
      passed += r.status == 200 ? 1 : 0;
    }
    CHECK(r.status == 429);
    CHECK(r.header("ratelimit").find("r=0") != std::string::npos);
  }
  CHECK(passed <= 1001);
  CHECK(passed >= 980);
}

TEST_CASE("what is left of a lease goes back, second by second") {
  Redis redis;
  Gateway gateway("stores: { shared: { url: \"redis://127.0.0.1:" + std::to_string(redis.port) +
                  R"(", timeout: 2s } }
limits: { many: { rate: 1000/10h, lease: 500, by: route, store: shared, when_store_fails: deny } }
routes:
  - { name: x, match: { path: /x }, authenticate: public, limit: [many], respond: { status: 200 } }
)");
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  redis.command({"FLUSHALL"});
  const auto left = [](const Response& r) {
    const std::string text = r.header("ratelimit");
    return std::atoi(text.c_str() + text.find("r=") + 2);
  };
  Client client(gateway.port());
  // What is taken but not spent counts as there; but for what is on its way.
  for (int i = 1; i <= 100; ++i) CHECK(std::abs(left(client.ask(get("/x"))) - (1000 - i)) <= 64);
  const std::string key = redis.line({"KEYS", "sallyport:limit:many:*"});
  gateway.reload();
  CHECK(gateway.told("config_reloaded"));
  CHECK(eventually(
      [&] {  // the caller asks no more, and the route is another one: it is given back all the same
        gateway.advance(1s);
        const long long now = std::atoll(redis.line({"TIME"}).c_str());
        const long long taken = (std::atoll(redis.line({"GET", key}).c_str()) / 1'000'000 - now + 18) / 36;
        return std::llabs(taken - 100) <= 3;
      }));
}

TEST_CASE("a Redis that says that it is of no use is left, and connected to anew until one is") {
  std::mutex mutex;
  std::string refusal;
  std::atomic<int> refused_count{0};
  const auto refuse_with = [&](const std::string& with) {
    std::lock_guard lock(mutex);
    refusal = with;
  };
  FakeRedis redis([&](const FakeRedis::Words& words, int) {
    std::lock_guard lock(mutex);
    const bool script = words.front() == "EVALSHA" || words.front() == "EVAL";
    if (!script || refusal.empty()) return FakeRedis::good(words);
    ++refused_count;
    return "-" + refusal + "\r\n";
  });
  Gateway gateway(redis_limit("localhost", redis.port(), "deny"));
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  for (const std::string refused :
       {"READONLY You can't write against a read only replica.",
        "LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down",
        "CLUSTERDOWN The cluster is down", "OOM command not allowed when used memory > 'maxmemory'.",
        "NOAUTH Authentication required.", "NOPERM this user has no permissions to run the 'evalsha' command",
        "ERR Error running script (call to f_1): @user_script:13: @user_script: 13: -NOREPLICAS Not "
        "enough."}) {
    CAPTURE(refused);
    refuse_with(refused);
    for (int round = 0; round < 3; ++round) {  // it says so each time, and the log tells of it once
      const int connections = redis.connections(), refusals = refused_count;
      CHECK(eventually([&] { return gateway.ask(get("/x")).status == 503 && refused_count > refusals; }));
      gateway.advance(2s);
      CHECK(eventually([&] { return redis.connections() > connections; }));
    }
    CHECK(eventually([&] { return times(gateway.errors(), "detail=\"" + refused) == 1; }));
    refuse_with("");
    CHECK(eventually([&] {
      gateway.advance(2s);
      return gateway.ask(get("/x")).status == 200;
    }));
  }
  const int before = redis.connections();
  refuse_with("ERR something else");  // it still answers, and may do so better the next time
  for (int i = 0; i < 3; ++i) CHECK(gateway.ask(get("/x")).status == 503);
  refuse_with("");
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(redis.connections() == before);
  CHECK(eventually([&] { return times(gateway.errors(), "ERR something else") == 1; }));
}

TEST_CASE("a reply of another form is a failure of the store, never the client's") {
  std::mutex mutex;
  std::string reply;
  FakeRedis redis([&](const FakeRedis::Words& words, int) {
    std::lock_guard lock(mutex);
    return words.front() == "EVALSHA" && !reply.empty() ? FakeRedis::answer(words, reply)
                                                        : FakeRedis::good(words);
  });
  Gateway gateway(redis_limit("127.0.0.1", redis.port(), "deny"));
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  for (const std::string other :
       {"*2\r\n$1\r\n1\r\n:1000\r\n", "*2\r\n:1\r\n$4\r\n1000\r\n", "*2\r\n:2\r\n:1000\r\n",
        "*2\r\n:-1\r\n:1000\r\n", "*2\r\n$-1\r\n$-1\r\n", "*2\r\n:0\r\n:-1\r\n", "*2\r\n:0\r\n:120000001\r\n",
        "*1\r\n:0\r\n", "*3\r\n:1\r\n:1\r\n:1\r\n", "*0\r\n", "+OK\r\n", ":0\r\n", "$-1\r\n"}) {
    CAPTURE(other);
    {
      std::lock_guard lock(mutex);
      reply = other;
    }
    CHECK(gateway.ask(get("/x")).status == 503);
  }
  CHECK(gateway.has_metric(R"(sallyport_store_failures_total{store="shared"} 13)"));
  CHECK(gateway.told("store_error store=shared reason=store_error detail=\"a reply of another form"));
  std::lock_guard lock(mutex);
  reply.clear();
}

TEST_CASE("a store that is slower than its timeout is told of") {
  std::atomic<bool> silent{false};
  FakeRedis redis([&](const FakeRedis::Words& words, int) {
    if (words.front() == "EVALSHA") eventually([&] { return !silent; });
    return FakeRedis::good(words);
  });
  std::string config = redis_limit("127.0.0.1", redis.port(), "local");
  config.replace(config.find("2s"), 2, "500ms");
  Gateway gateway(config);
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  silent = true;
  auto client = gateway.connect();
  client->send(get("/x"));
  CHECK(eventually([&] { return redis.count("EVALSHA") == 2; }));
  gateway.advance(600ms);
  CHECK(client->read().status == 200);
  CHECK(gateway.told("store_slow store=shared reason=store_timeout"));
  silent = false;
}

TEST_CASE("a connection that has lost a reply is left, before anybody has the one of another") {
  std::mutex mutex;
  FakeRedis::Words before;
  std::atomic<bool> behind{false};
  FakeRedis redis([&](const FakeRedis::Words& words, int connection) {
    std::lock_guard lock(mutex);
    if (words.front() != "EVALSHA") return FakeRedis::good(words);
    return FakeRedis::good(behind && connection == 1 ? std::exchange(before, words) : before = words);
  });
  Gateway gateway(redis_limit("127.0.0.1", redis.port(), "deny"));
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  behind = true;
  CHECK(gateway.ask(get("/x")).status == 503);
  CHECK(gateway.told("a reply to another command than the next"));
  CHECK(eventually([&] {
    gateway.advance(2s);
    return gateway.ask(get("/x")).status == 200;
  }));
  CHECK(redis.connections() >= 2);
  CHECK(redis.count("SCRIPT") == 0);  // whose reply would bear no number
}

TEST_CASE("a store that says more than anybody asks for is left, also while it is connected to") {
  std::atomic<bool> greets{false}, mended{false};
  FakeRedis redis([&](const FakeRedis::Words& words, int) {
    const bool asked = words.front() == "EVALSHA";
    if (mended || (!asked && words.front() != "PING")) return FakeRedis::good(words);
    if (asked) return greets ? "" : std::string("*100000\r\n:1\r\n");  // "": and greets anew
    return greets ? "$2000000\r\n" + std::string(2'000'000, 'a') + "\r\n" : FakeRedis::good(words);
  });
  Gateway gateway(redis_limit("127.0.0.1", redis.port(), "deny"));
  const auto told = [&](const char* what) {
    return eventually([&] {
      gateway.ask(get("/x"));
      gateway.advance(100ms);  // the store has its time to greet
      return gateway.errors().find(what) != std::string::npos;
    });
  };
  CHECK(told("this does not speak the Redis protocol"));
  greets = true;
  CHECK(told("a reply is too large"));
  mended = true;
  CHECK(eventually([&] {
    gateway.advance(2s);
    return gateway.ask(get("/x")).status == 200;
  }));
}

TEST_CASE("a real Redis that becomes a replica, is full, or lets no script run, and is mended") {
  Redis master, redis;
  Gateway gateway(redis_limit(redis, "deny"));
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  const auto turns = [&](bool bad) {
    return eventually([&] {
      redis.command({"DEL", redis.line({"KEYS", "sallyport:limit:few:*"})});
      gateway.advance(2s);
      return gateway.ask(get("/x")).status == (bad ? 503 : 200);
    });
  };
  struct Trouble {
    std::vector<std::string> make, mend;
    std::string told;
  };
  for (const Trouble& t :
       {Trouble{
            {"REPLICAOF", "127.0.0.1", std::to_string(master.port)}, {"REPLICAOF", "NO", "ONE"}, "READONLY"},
        Trouble{{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}, "OOM"},
        Trouble{{"ACL", "SETUSER", "default", "-@scripting"},
                {"ACL", "SETUSER", "default", "+@scripting"},
                "NOPERM"}}) {
    CAPTURE(t.told);
    redis.command(t.make);
    CHECK(turns(true));
    CHECK(gateway.told(t.told));
    redis.command(t.mend);
    CHECK(turns(false));
  }
  CHECK(gateway.told("store_connected"));
  CHECK_FALSE(gateway.has_metric("sallyport_store_failures_total{store=\"shared\"} 0"));
}

TEST_CASE("when Redis' clock steps back, a bucket is full at most, and drains from then on") {
  Redis redis;
  Gateway gateway(redis_limit(redis, "deny"));
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 200; }));
  const std::string bucket = redis.line({"KEYS", "sallyport:limit:few:*"});
  const auto hours_ahead = std::chrono::duration_cast<std::chrono::microseconds>(
      (std::chrono::system_clock::now() + 10h).time_since_epoch());
  redis.command({"SET", bucket, std::to_string(hours_ahead.count()), "PX", "36000000"});
  const Response refused = gateway.ask(get("/x"));
  CHECK(refused.status == 429);
  CHECK(refused.header("retry-after") == "60");
  CHECK(std::stoll(redis.line({"PTTL", bucket})) <= 120'000);  // two requests at 60 an hour
  CHECK(std::stoll(redis.line({"GET", bucket})) < hours_ahead.count() - 9 * 3'600'000'000LL);
}

TEST_CASE("a reload takes the new password of a store from the same file") {
  Redis redis;
  redis.command({"CONFIG", "SET", "requirepass", "right"});
  std::string config = redis_limit(redis, "deny");
  config.insert(config.find(", timeout: 2s"), ", password: \"file:password\"");
  Gateway gateway(config, [](const TempDir& dir) { dir.write("password", "right\n"); });
  CHECK(eventually([&] { return gateway.ask(get("/x")).status != 503; }));
  gateway.dir().write("password", "wrong\n");
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 503; }));
  gateway.dir().write("password", "right\n");
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).status != 503; }));
}

TEST_CASE("whoever floods one limit with invented keys frees no bucket of another, nor takes its places") {
  Gateway gateway(R"(
stores: { memory: { entries: 1024 } }
limits:
  few: { rate: 5/1m, by: ip }
  often: { rate: 1000/1d, by: "header:X-Device" }
  once: { rate: 1/1d, by: "header:X-Device" }
  fresh: { rate: 5/1m, by: "header:X-Other" }
routes:
  - { name: few, match: { path: /few }, authenticate: public, limit: [few], respond: { status: 204 } }
  - { name: often, match: { path: /often }, authenticate: public, limit: [often], respond: { status: 204 } }
  - { name: once, match: { path: /once }, authenticate: public, limit: [once], respond: { status: 204 } }
  - { name: fresh, match: { path: /fresh }, authenticate: public, limit: [fresh], respond: { status: 204 } }
)");
  const auto client = gateway.connect();
  for (int i = 0; i < 5; ++i) CHECK(client->ask(get("/few")).status == 204);
  CHECK(client->ask(get("/few")).status == 429);
  for (int i = 0; i < 3000; ++i) {
    for (const char* path : {"/often", "/once"})
      client->ask(get(path, "X-Device: " + std::to_string(i) + "\r\n"));
  }
  CHECK(client->ask(get("/few")).status == 429);
  for (int i = 0; i < 100; ++i)
    CHECK(client->ask(get("/fresh", "X-Other: " + std::to_string(i) + "\r\n")).status == 204);
}
