// Scarcity: what the system does not give at the moment (descriptors, room in a file, standard streams), and
// signals that come when nothing is left that they could ask for.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/gateway.h"
#include "tests/support/issuer.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

std::string config_on(int port, const std::string& log) {
  return "version: 1\nworkers: 1\nlog: { access: { to: \"" + log +
         "\" } }\nlisteners: [ { name: mesh, address: \"127.0.0.1:" + std::to_string(port) +
         "\", plaintext: true } ]\nroutes:\n"
         "  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n";
}

int status_of(int port, const std::string& path = "/x") {
  return Client(port, {.tls = false}).ask(get(path)).status;
}

// A set of signals in /proc/PID/status: "SigIgn:", "SigCgt:".
bool has_signal(const Process& process, const std::string& set, int signal) {
  std::ifstream status("/proc/" + std::to_string(process.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(set)) return (std::stoull(line.substr(8), nullptr, 16) >> (signal - 1) & 1) != 0;
  }
  return false;
}

// Leaves a process no descriptor from that number on as long as it lives: what is open stays open.
class NoDescriptors {
 public:
  explicit NoDescriptors(const Process& process, rlim_t from = 1) : pid_(process.pid()) {
    prlimit(pid_, RLIMIT_NOFILE, nullptr, &before_);
    const rlimit none{from, before_.rlim_max};
    prlimit(pid_, RLIMIT_NOFILE, &none, nullptr);
  }
  ~NoDescriptors() { prlimit(pid_, RLIMIT_NOFILE, &before_, nullptr); }

 private:
  pid_t pid_;
  rlimit before_{};
};

// Below which so many are free.
rlim_t limit_that_leaves(int free, const Process& process) {
  const std::string open = "/proc/" + std::to_string(process.pid()) + "/fd/";
  rlim_t limit = 0;
  for (; free > 0; ++limit) free -= std::filesystem::is_symlink(open + std::to_string(limit)) ? 0 : 1;
  return limit;
}

std::string places(int number, const Origin& origin) {
  return "http: { body_rate: 0B, connections: " + std::to_string(number) +
         " }\nupstreams:\n  web: { targets: [\"" + origin.target() +
         "\"] }\nroutes:\n"
         "  - { name: all, match: { path: \"/{rest...}\" }, authenticate: public, forward: { to: web } }\n"
         "  - { name: own, match: { path: /own }, authenticate: public, respond: { status: 200 } }\n";
}

std::string gave_way(int number) {
  return "sallyport_connections_gave_way_total{listener=\"edge\"} " + std::to_string(number);
}

// Has sent a part of its content, and stands still.
std::unique_ptr<Client> begun_upload(const Gateway& gateway) {
  auto client = gateway.connect();
  client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  return client;
}

// A listener of clients whose addresses a balancer tells.
GatewayOptions proxied_at(int port) {
  return {.more_listeners = "  - { name: proxied, address: \"127.0.0.1:" + std::to_string(port) +
                            "\", plaintext: true, proxy_protocol: { from: [127.0.0.1/32] } }\n"};
}

// A client of that listener that has asked for /own.
std::unique_ptr<Client> asks_from(const std::string& address, int port) {
  auto client = std::make_unique<Client>(port, ClientOptions{.tls = false});
  client->send_raw("PROXY TCP4 " + address + " 127.0.0.1 1234 80\r\n" + get("/own"));
  return client;
}

}  // namespace

TEST_CASE("changes of files that cannot be read for want of a descriptor are taken once there is one") {
  std::string key;
  Gateway gateway(
      "authenticators:\n  k: { type: api_key, file: keys.yaml }\n"
      "  j: { type: jwt, issuer: i, audiences: [a], algorithms: [ES256], jwks: { file: jwks.json } }\n"
      "routes:\n"
      "  - { name: x, match: { path: /x }, authenticate: { any_of: [k] }, respond: { status: 200 } }\n"
      "  - { name: j, match: { path: /j }, authenticate: { any_of: [j] }, respond: { status: 200 } }\n",
      [&](const TempDir& dir) {
        const auto made =
            run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "acme"});
        key = made.out.substr(0, made.out.find('\n'));
        dir.write("jwks.json", Issuer().jwks());
        dir.write("clients.crt", certificates().read("ca.crt"));
        dir.write("own.crt", certificates().read("tls.crt"));
        dir.write("own.key", certificates().read("tls.key"));
      },
      {.edge_tls = "certificates: [ { cert: own.crt, key: own.key } ], client_certificates: { ca: "
                   "clients.crt, mode: optional }"});
  const auto asked = [&] { return gateway.ask(get("/x", "X-API-Key: " + key + "\r\n")).status; };
  CHECK(asked() == 200);
  {
    const NoDescriptors scarce(gateway.process());
    CHECK(run({binary(), "keys", "revoke", "--file", gateway.dir().path("keys.yaml"), "--id",
               key.substr(3, 12)})
              .status == 0);
    gateway.dir().write("jwks.json", Issuer().jwks());
    gateway.dir().write("clients.crt", certificates().read("other.crt"));
    gateway.dir().write("own.key", certificates().read("other.key"));
    gateway.dir().write("own.crt", certificates().read("other.crt"));
    for (const char* told : {"keys_reload_failed file=keys.yaml", "key_set_refused from=jwks.json",
                             "certificate_reload_failed listener=edge file=clients.crt"}) {
      CHECK(gateway.told(told));
    }
    for (int i = 0; i < 5; ++i) gateway.advance(1s);  // it looks again and again
  }
  CHECK(eventually([&] { return asked() == 401; }));
  CHECK(eventually([&] { return gateway.connect()->certificate_name() == "other.test"; }));
  CHECK(gateway.told("certificate_reloaded listener=edge file=clients.crt"));
  for (const char* kind : {"api_keys", "key_set"}) {
    for (const char* result : {"success", "failure"}) {
      CHECK(gateway.has_metric(std::string("sallyport_file_reloads_total{kind=\"") + kind + "\",result=\"" +
                               result + "\"} 1"));
    }
  }
}

TEST_CASE("signals that come in the last moments of a drain do not end the process before its logs") {
  const TempDir dir;
  const std::string path = dir.path("unread");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int pipe = open(path.c_str(), O_RDWR | O_NONBLOCK);  // nobody reads it: the log's end waits for it
  fcntl(pipe, F_SETPIPE_SZ, 4096);
  while (write(pipe, std::string(64, '\n').data(), 64) > 0) {
  }
  const int port = free_port();
  const std::string config = dir.write("gateway.yaml", config_on(port, "stdout"));
  Process gateway(dir, "gateway", {"sh", "-c", "exec \"$0\" run \"$1\" >\"$2\"", binary(), config, path});
  REQUIRE(eventually([&] { return status_of(port) == 200; }));
  gateway.signal(SIGTERM);
  CHECK(eventually([&] { return !has_signal(gateway, "SigCgt:", SIGTERM); }));
  for (const int number : {SIGUSR1, SIGHUP, SIGINT, SIGTERM}) gateway.signal(number);
  CHECK(gateway.wait() == 0);
  close(pipe);
}

TEST_CASE("an access log that has reached the limit of file sizes stops nobody") {
  const TempDir dir;
  const int port = free_port();
  const std::string config = dir.write("gateway.yaml", config_on(port, "file:access.log"));
  Process gateway(dir, "gateway", {"sh", "-c", "ulimit -f 8; exec \"$0\" run \"$1\"", binary(), config});
  REQUIRE(eventually([&] { return status_of(port) == 200; }));
  const auto full = [&] {
    for (int i = 0; i < 50; ++i) status_of(port);
    return !gateway.running() || std::filesystem::file_size(dir.path("access.log")) >= 8 * 512;
  };
  CHECK(eventually(full));
  CHECK(eventually([&] {
    return !gateway.running() || gateway.err().find("EFBIG") != std::string::npos ||
           gateway.err().find("File too large") != std::string::npos;
  }));
  CHECK(status_of(port) == 200);
  gateway.signal(SIGTERM);
  CHECK(gateway.wait() == 0);
}

TEST_CASE("no socket and no file gets the number of a standard stream that is closed at the start") {
  const TempDir dir;
  const int port = free_port();
  const std::string config = dir.write("gateway.yaml", config_on(port, "stdout"));
  Process gateway(dir, "gateway", {"sh", "-c", "exec \"$0\" run \"$1\" <&- >&- 2>&-", binary(), config});
  REQUIRE(eventually([&] { return status_of(port) == 200; }));
  for (const char* number : {"0", "1", "2"}) {
    const std::string open = "/proc/" + std::to_string(gateway.pid()) + "/fd/" + number;
    CHECK(std::filesystem::read_symlink(open) == "/dev/null");
  }
  gateway.signal(SIGTERM);
  CHECK(gateway.wait() == 0);
}

TEST_CASE("where http.connections is reached, who asks for nothing gives way, the longest still first") {
  Origin origin;
  Gateway gateway(places(4, origin));  // one of them for another client
  auto asks = begun_upload(gateway);
  auto first = gateway.connect();
  CHECK(first->ask(get("/x")).status == 200);
  CHECK(gateway.has_metric(gave_way(0)));
  gateway.advance(1s);
  auto second = gateway.connect();
  CHECK(second->ask(get("/x")).status == 200);
  CHECK_FALSE(gateway.connect()->connected());  // nobody has stood still for long enough
  gateway.advance(500ms);
  CHECK(second->ask(get("/x")).status == 200);
  gateway.advance(600ms);
  gateway.connect();
  CHECK(first->at_end());
  CHECK(first->ended_in_order());
  first.reset();
  CHECK(eventually([&] { return gateway.has_metric(R"(sallyport_connections{listener="edge"} 2)"); }));
  CHECK(gateway.ask(get("/newcomer")).status == 200);
  CHECK(second->ask(get("/x")).status == 200);
  CHECK(asks->ask("cd").status == 200);
  CHECK(gateway.has_metric(gave_way(1)));
  CHECK(gateway.told("connections_gave_way connections=1"));
}

TEST_CASE("handshakes and heads that do not go on give way to newcomers, and connections of HTTP/2 at rest") {
  Origin origin;
  Gateway gateway(places(3, origin));  // one of them for another client
  auto asks = begun_upload(gateway);
  const auto gives_way = [&](Client& client, int so_far, std::string_view meanwhile = "") {
    CHECK_FALSE(gateway.connect()->connected());
    for (int looks = 0; looks < 3; ++looks) {
      gateway.advance(1100ms);
      client.send(std::string(meanwhile));
      gateway.connect();
    }
    std::string came;
    for (std::string some; !(some = client.read_some()).empty();) came += some;
    CHECK(client.at_end());
    CHECK(gateway.has_metric(gave_way(so_far)));
    CHECK(gateway.has_metric(R"(sallyport_connections{listener="edge"} 1)"));  // the upload's
    return came;
  };
  {
    Client silent(gateway.port(), {.tls = false});
    CHECK(eventually([&] { return gateway.has_metric(R"(sallyport_connections{listener="edge"} 2)"); }));
    gives_way(silent, 1);
  }
  {
    auto head = gateway.connect();
    head->send("GET / HT");
    gives_way(*head, 2);
  }
  {
    auto answered = gateway.connect();
    const std::string length = "Content-Length: 99\r\nConnection: close\r\n\r\n";
    CHECK(answered->ask("POST /own HTTP/1.1\r\nHost: a\r\n" + length).status == 200);
    gives_way(*answered, 3, "what is still read off");
  }
  auto h2 = gateway.connect({.alpn = "\x02h2"});
  h2->send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 33));
  const std::string goaway("\0\0\x08\x07\0\0\0\0\0", 9);
  CHECK(gives_way(*h2, 4).find(goaway) != std::string::npos);
  CHECK(h2->ended_in_order());
  h2.reset();
  CHECK(eventually([&] { return gateway.ask(get("/newcomer")).status == 200; }));
  CHECK(asks->ask("cd").status == 200);
}

TEST_CASE("the last places are for clients that have no more than others, and who has many gives way first") {
  Origin origin;
  const int proxied = free_port();
  Gateway gateway(places(8, origin), {}, proxied_at(proxied));
  const auto come_from = [&](const std::string& address) { return asks_from(address, proxied); };
  std::vector<std::unique_ptr<Client>> many;
  auto alone = come_from("192.0.2.2");  // and idle the longest
  CHECK(alone->read().status == 200);
  for (int i = 0; i < 6; ++i) {
    many.push_back(come_from("192.0.2.1"));
    CHECK(many.back()->read().status == 200);
  }
  CHECK(come_from("192.0.2.1")->at_end());
  CHECK(gateway.has_metric(
      R"(sallyport_connections_refused_total{listener="proxied",reason="connections"} 1)"));
  auto other = come_from("192.0.2.3");
  CHECK(other->read().status == 200);
  gateway.advance(2100ms);
  CHECK(eventually([&] {
    gateway.advance(300ms);
    return gateway.has_metric(R"(sallyport_connections_gave_way_total{listener="proxied"} 1)");
  }));
  CHECK(many.front()->at_end());
  CHECK(alone->ask(get("/own")).status == 200);
}

TEST_CASE("a client that is alone leaves the last places to newcomers, too, and the last descriptors") {
  Origin origin;
  const int proxied = free_port();
  Gateway gateway(places(200, origin), {}, proxied_at(proxied));
  const auto come_from = [&](const std::string& address) { return asks_from(address, proxied); };
  const auto come_many = [&](std::vector<std::unique_ptr<Client>>& all) {
    do {
      all.push_back(come_from("192.0.2.1"));
    } while (all.back()->read().status == 200 && all.size() < 300);
    all.pop_back();
    for (int again = 0; again < 20; ++again) CHECK(come_from("192.0.2.1")->at_end());
    for (const char* newcomer : {"192.0.2.2", "192.0.2.3"}) {
      all.push_back(come_from(newcomer));
      CHECK(all.back()->read().status == 200);
    }
    return all.size() - 2;
  };
  {
    std::vector<std::unique_ptr<Client>> all;
    CHECK(come_many(all) == 197);  // a 64th is kept
  }
  CHECK(eventually([&] { return gateway.has_metric(R"(sallyport_connections{listener="proxied"} 0)"); }));
  const NoDescriptors scarce(gateway.process(), limit_that_leaves(150, gateway.process()));
  std::vector<std::unique_ptr<Client>> all;
  const size_t got = come_many(all);
  CHECK(got > 80);
  CHECK(got < 150);
}

TEST_CASE("where there are no descriptors, who asks for nothing gives way") {
  Origin origin;
  Gateway gateway(places(64, origin));
  CHECK(gateway.has_metric(gave_way(0)));
  {
    const NoDescriptors scarce(gateway.process(), limit_that_leaves(5, gateway.process()));
    std::vector<std::unique_ptr<Client>> idle;
    do {
      idle.push_back(gateway.connect());
    } while (idle.size() < 60 && idle.back()->ask(get("/own")).status == 200);
    CHECK(idle.size() < 60);
    idle.pop_back();
    gateway.advance(3s);
    CHECK(eventually([&] {
      gateway.connect();
      gateway.advance(300ms);
      return gateway.errors().find("connections_gave_way") != std::string::npos;
    }));
    CHECK(idle.front()->at_end());
    CHECK(idle.front()->ended_in_order());
    idle.erase(idle.begin());
    CHECK(eventually([&] { return gateway.connect()->connected(); }));
  }
  CHECK(gateway.told("connections_gave_way"));
}
