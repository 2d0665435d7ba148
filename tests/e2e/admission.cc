// Admission: who has been let in, and what becomes of that when a change lets in others; whose sockets stay.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <thread>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

const std::string route =
    "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n";

std::string plain(const std::string& name, const std::string& address, const std::string& more = "") {
  return "  - { name: " + name + ", address: \"" + address + "\", plaintext: true" + more + " }\n";
}

std::string loopback(int port) { return "127.0.0.1:" + std::to_string(port); }

// A listener that takes clients of the authority in clients.crt.
GatewayOptions asking(const std::string& mode) {
  return {.edge_tls = "certificates: [ { cert: " + certificates().path("tls.crt") +
                      ", key: " + certificates().path("tls.key") +
                      " } ], client_certificates: { ca: clients.crt, mode: " + mode + " }"};
}

void authority(const TempDir& dir, const std::string& name) {
  dir.write("clients.crt", certificates().read(name));
}

ClientOptions known() {
  ClientOptions options;
  options.cert = certificates().path("client.crt");
  options.key = certificates().path("client.key");
  return options;
}

// True if a kept connection carries no more requests, at the latest a moment after the change.
bool carries_no_more(Client& client) {
  return eventually([&] { return client.ask(get("/x")).status == 0; });
}

// True if the HTTP/2 connection is told to end: GOAWAY (RFC 9113 section 6.8), without an error.
bool goes_away(Client& client) {
  std::string all;
  for (std::string some = client.read_some(); !some.empty(); some = client.read_some()) all += some;
  const size_t at = all.find(std::string("\0\0\x08\x07\0\0\0\0\0", 9));
  return at != std::string::npos && all.substr(at + 13, 4) == std::string(4, '\0');
}

// What a process that has not ended in order leaves.
void leave_socket_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int socket_of_it = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(socket_of_it, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  close(socket_of_it);
}

// The inode of the socket that listens on 127.0.0.1 at that port; "" if there is none.
std::string socket_at(int port) {
  char wanted[16];
  snprintf(wanted, sizeof wanted, "0100007F:%04X", static_cast<unsigned>(port));
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, word;
    words >> number >> local >> remote >> state;
    for (int i = 0; i < 6; ++i) words >> word;
    if (local == wanted && state == "0A") return word;
  }
  return "";
}

// Clients of an authority that is taken away: one that is idle, and one that waits for its answer.
struct Dismissed {
  std::promise<void> go_on;  // the answer, "late"
  Origin origin{[allowed = go_on.get_future().share()](const OriginRequest&) {
    allowed.wait();
    return Origin::ok("late")({});
  }};
  Gateway gateway{
      "shutdown: { drain_timeout: 1h }\nupstreams: { web: { targets: [\"" + origin.target() +
          "\"] } }\nroutes:\n"
          "  - { name: slow, match: { path: /slow }, authenticate: public, forward: { to: web, timeout: 3h } "
          "}\n"
          "  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n",
      [](const TempDir& dir) { authority(dir, "ca.crt"); }, asking("required")};
  std::unique_ptr<Client> idle = gateway.connect(known()), busy = gateway.connect(known());

  void ask() {
    CHECK(idle->ask(get("/x")).status == 200);
    CHECK(busy->send(get("/slow")));
    CHECK(eventually([&] { return origin.requests().size() == 1; }));
  }
  void take_authority_away() {
    authority(gateway.dir(), "other.crt");
    CHECK(eventually([&] {
      gateway.advance(1s);
      return gateway.errors().find("certificate_reloaded listener=edge file=clients.crt") !=
             std::string::npos;
    }));
    CHECK(carries_no_more(*idle));
  }
};

}  // namespace

TEST_CASE("connections of an authority that is taken away end with the answer under way, and do not resume") {
  Dismissed d;
  ClientOptions two = known();
  two.alpn = std::string("\x02h2");
  const auto h2 = d.gateway.connect(two);
  CHECK(h2->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\x04\0\0\0\0\0", 9)));
  d.ask();
  d.take_authority_away();
  CHECK(goes_away(*h2));
  CHECK(h2->ended_in_order());
  for (int i = 0; i < 10; ++i) {  // what it sends before it knows is not answered with a reset
    CHECK(h2->send(std::string("\0\0\x08\x06\0\0\0\0\0", 9) + "12345678"));
    std::this_thread::sleep_for(5ms);
  }
  d.go_on.set_value();
  const Response last = d.busy->read();
  CHECK(last.body == "late");
  CHECK(last.header("connection") == "close");
  CHECK(d.busy->at_end());
  ClientOptions again = known();
  again.session = d.idle->session();
  for (const ClientOptions& options : {known(), again})
    CHECK(d.gateway.connect(options)->ask(get("/x")).status == 0);
}

TEST_CASE("authorities of clients that are put into another order let the same ones in: no connection ends") {
  const std::string one = certificates().read("ca.crt"), other = certificates().read("other.crt");
  Gateway gateway(
      route, [&](const TempDir& dir) { dir.write("clients.crt", one + other); }, asking("required"));
  const auto kept = gateway.connect(known());
  CHECK(kept->ask(get("/x")).status == 200);
  gateway.dir().write("clients.crt", other + one);
  CHECK(eventually([&] {
    gateway.advance(1s);
    return gateway.errors().find("certificate_reloaded listener=edge file=clients.crt") != std::string::npos;
  }));
  CHECK(gateway.connect(known())->ask(get("/x")).status == 200);  // by what the worker has from now on
  CHECK(kept->ask(get("/x")).status == 200);
  gateway.dir().write("clients.crt", one + other);
  gateway.reload();
  CHECK(gateway.told("config_reloaded"));
  CHECK(gateway.connect(known())->ask(get("/x")).status == 200);
  CHECK(kept->ask(get("/x")).status == 200);
}

TEST_CASE("answers that do not end outlast the authority that let their caller in by a shutdown's patience") {
  Dismissed d;
  d.ask();
  d.take_authority_away();
  d.gateway.advance(1h);
  CHECK(d.busy->at_end());
  CHECK(d.gateway.log_line("\"reason\":\"not_admitted\"") != "");
  d.go_on.set_value();
}

TEST_CASE("a listener that begins to ask for certificates lets nobody go on who has shown none") {
  Gateway gateway(route, [](const TempDir& dir) { authority(dir, "ca.crt"); }, asking("optional"));
  const auto without = gateway.connect();
  CHECK(without->ask(get("/x")).status == 200);
  ClientOptions again;
  again.session = without->session();
  gateway.change("mode: optional", "mode: required");
  CHECK(carries_no_more(*without));
  CHECK(gateway.connect(again)->ask(get("/x")).status == 0);
  const auto with = gateway.connect(known());
  CHECK(with->ask(get("/x")).status == 200);
  gateway.reload();  // nothing has changed
  CHECK(
      eventually([&] { return gateway.has_metric("sallyport_config_reloads_total{result=\"success\"} 2"); }));
  CHECK(with->ask(get("/x")).status == 200);
}

TEST_CASE("authorities that change when one worker has drained, and another not") {
  std::promise<void> go_on;
  Origin origin([allowed = go_on.get_future().share()](const OriginRequest&) {
    allowed.wait();
    return Origin::ok("late")({});
  });
  GatewayOptions options = asking("required");
  options.workers = "2";
  Gateway gateway(
      "shutdown: { drain_timeout: 1h }\nupstreams: { web: { targets: [\"" + origin.target() +
          "\"] } }\nroutes:\n  - { name: slow, match: { path: /slow }, authenticate: public, "
          "forward: { to: web, timeout: 3h } }\n",
      [](const TempDir& dir) { authority(dir, "ca.crt"); }, options);
  const auto busy = gateway.connect(known());
  CHECK(busy->send(get("/slow")));
  CHECK(eventually([&] { return origin.requests().size() == 1; }));
  const auto threads = [&] {
    const std::filesystem::directory_iterator tasks("/proc/" + std::to_string(gateway.process().pid()) +
                                                    "/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto all = threads();
  gateway.process().signal(SIGTERM);
  CHECK(eventually([&] { return threads() < all; }));
  authority(gateway.dir(), "other.crt");
  CHECK(eventually([&] {
    gateway.advance(1s);
    return gateway.errors().find("certificate_reloaded") != std::string::npos;
  }));
  go_on.set_value();
  CHECK(busy->read().body == "late");
  CHECK(gateway.process().wait() == 0);
}

TEST_CASE("connections of a listener that is gone, or that believes others about clients, end") {
  const int gone = free_port(), proxied = free_port();
  const std::string from = ", proxy_protocol: { from: [127.0.0.1/32] }";
  Gateway gateway(
      route, {},
      {.more_listeners = plain("gone", loopback(gone)) + plain("proxied", loopback(proxied), from)});
  Client one(gone, {.tls = false}), other(proxied, {.tls = false}),
      stays(gateway.port("mesh"), {.tls = false});
  CHECK(one.ask(get("/x")).status == 200);
  CHECK(other.ask("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n" + get("/x")).status == 200);
  CHECK(stays.ask(get("/x")).status == 200);
  gateway.rewrite_config(route,
                         plain("proxied", loopback(proxied), ", proxy_protocol: { from: [10.0.0.0/8] }"));
  gateway.reload();
  CHECK(carries_no_more(one));
  CHECK(carries_no_more(other));
  CHECK(stays.ask(get("/x")).status == 200);
}

TEST_CASE("a socket belongs to its address: a listener of another name takes it over, with who waits there") {
  const int port = free_port();
  const TempDir dir;
  const std::string path = dir.path("edge.sock");
  const auto both = [&](const std::string& suffix) {
    return plain("tcp" + suffix, loopback(port)) + plain("local" + suffix, "unix:" + path);
  };
  Gateway gateway(route, {}, {.more_listeners = both("-before")});
  struct stat before{}, behind{};
  CHECK(stat(path.c_str(), &before) == 0);
  const std::string socket = socket_at(port);
  CHECK(socket != "");
  Client early(port, {.tls = false});                                // has asked for nothing yet
  CHECK(Client(port, {.tls = false}).ask(get("/x")).status == 200);  // so that has come in as well
  gateway.rewrite_config(route, both("-behind"));
  gateway.reload();
  CHECK(gateway.told("listening name=tcp-behind"));
  CHECK(gateway.told("listening name=local-behind"));
  CHECK(socket_at(port) == socket);
  CHECK(stat(path.c_str(), &behind) == 0);
  CHECK(behind.st_ino == before.st_ino);
  CHECK(early.ask(get("/x")).status == 200);
  CHECK(Client(port, {.tls = false}).ask(get("/x")).status == 200);
  CHECK(
      run({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path, "http://x/x"}).out ==
      "200");
  CHECK(gateway.log_line("\"listener\":\"local-behind\"") != "");
}

TEST_CASE("a unix socket whose file is gone, or another's, is bound anew by a reload") {
  const TempDir dir;
  const std::string path = dir.path("edge.sock");
  const std::string listener = plain("local", "unix:" + path);
  Gateway gateway(route, {}, {.more_listeners = listener, .workers = "2"});
  const auto inode = [&]() -> ino_t {
    struct stat file{};
    return stat(path.c_str(), &file) == 0 && (file.st_mode & 07777) == 0660 ? file.st_ino : 0;
  };
  int reloads = 0;
  const auto answers_after_reload = [&] {
    gateway.reload();
    CHECK(gateway.has_metric("sallyport_config_reloads_total{result=\"success\"} " +
                             std::to_string(++reloads)));
    return eventually([&] { return run({"curl", "-sf", "--unix-socket", path, "http://x/x"}).status == 0; });
  };
  const ino_t first = inode();
  CHECK(answers_after_reload());
  CHECK(inode() == first);
  for (const bool of_another : {false, true}) {
    std::filesystem::remove(path);
    if (of_another) leave_socket_at(path);
    CHECK(answers_after_reload());
    CHECK(answers_after_reload());  // what was bound before has taken nothing with it
  }
  CHECK(gateway.stop() == 0);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a unix socket of the admin port whose file is gone is bound anew by a reload") {
  const TempDir dir;
  const std::string path = dir.path("admin.sock");
  Gateway gateway(route);
  const auto answers = [&] {
    return eventually(
        [&] { return run({"curl", "-s", "--unix-socket", path, "http://x/healthz"}).status == 0; });
  };
  gateway.change("127.0.0.1:0\" }\nlog", "unix:" + path + "\" }\nlog");
  CHECK(answers());
  std::filesystem::remove(path);
  gateway.reload();
  CHECK(answers());
}

TEST_CASE("the file of a unix socket goes with its listener, a reload that is refused, and the process") {
  const TempDir dir;
  const auto local = [&](const std::string& name) { return plain(name, "unix:" + dir.path(name)); };
  const auto is_there = [&](const std::string& name) { return std::filesystem::exists(dir.path(name)); };
  Gateway gateway(route, {}, {.more_listeners = local("stays") + local("goes") + local("taken")});
  CHECK(is_there("goes"));
  std::filesystem::rename(dir.path("taken"), dir.path("moved"));
  dir.write("taken", "somebody else's");
  gateway.rewrite_config(route, local("stays") + local("fails") + plain("nowhere", "192.0.2.1:1"));
  gateway.reload();
  CHECK(gateway.told("config_unchanged"));
  CHECK_FALSE(is_there("fails"));
  CHECK(is_there("goes"));
  gateway.rewrite_config(route, local("stays"));
  gateway.reload();
  CHECK(gateway.told("config_reloaded"));
  CHECK_FALSE(is_there("goes"));
  CHECK(is_there("taken"));
  CHECK(is_there("stays"));
  CHECK(gateway.stop() == 0);
  CHECK_FALSE(is_there("stays"));
}

TEST_CASE("the admin listener goes to another host on its port") {
  const int port = free_port();
  Gateway gateway(route);
  const auto at = [](const std::string& address) { return "admin: { address: \"" + address + "\" }"; };
  const auto answers = [&](const std::string& host) {
    const std::string url = "http://" + host + ":" + std::to_string(port) + "/healthz";
    return eventually([&] { return run({"curl", "-s", "-o", "/dev/null", url}).status == 0; });
  };
  gateway.change(at("127.0.0.1:0"), at(loopback(port)));
  CHECK(answers("127.0.0.1"));
  gateway.change(at(loopback(port)), at("127.0.0.2:" + std::to_string(port)));
  CHECK(answers("127.0.0.2"));
  gateway.change(at("127.0.0.2:" + std::to_string(port)), at("0.0.0.0:" + std::to_string(port)));
  CHECK(answers("127.0.0.1"));
}
