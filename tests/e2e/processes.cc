// The process as its supervisor sees it: outputs that nobody reads, a second start, what a signal does.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

// A pipe that is full, and that nobody reads.
class UnreadPipe {
 public:
  explicit UnreadPipe(const TempDir& dir) : path(dir.path("unread")) {
    if (mkfifo(path.c_str(), 0600) != 0) return;
    fd_ = open(path.c_str(), O_RDWR | O_NONBLOCK);
    fcntl(fd_, F_SETPIPE_SZ, 4096);
    while (write(fd_, std::string(64, '\n').data(), 64) > 0) {
    }
  }
  ~UnreadPipe() { close(fd_); }
  const std::string path;

 private:
  int fd_ = -1;
};

// The binary with its output or its errors, or both, going into that pipe: ">", "2>", ">\"$2\" 2>".
std::vector<std::string> into(const UnreadPipe& pipe, const std::string& how, const std::string& config) {
  return {"sh", "-c", "exec \"$0\" run \"$1\" " + how + "\"$2\"", binary(), config, pipe.path};
}

// Listens on that port, and forwards /down to where nobody listens: each time a line of the error log.
std::string config_on(int port, const std::string& log) {
  return "version: 1\nworkers: 1\nlog: { access: { to: " + log +
         " } }\nlisteners: [ { name: mesh, address: \"127.0.0.1:" + std::to_string(port) +
         "\", plaintext: true } ]\nupstreams: { down: { targets: [\"http://127.0.0.1:" +
         std::to_string(free_port()) +
         "\"] } }\nroutes:\n"
         "  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n"
         "  - { name: down, match: { path: /down }, authenticate: public, forward: { to: down } }\n";
}

// The thread of that name, or -1.
pid_t thread_of(const Process& process, const std::string& name) {
  const std::string tasks = "/proc/" + std::to_string(process.pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::string line;
    if (std::getline(std::ifstream(task.path() / "comm"), line) && line == name)
      return std::atoi(task.path().filename().c_str());
  }
  return -1;
}

// True as long as the signal has not been delivered.
bool is_pending(const Process& process, int signal) {
  std::ifstream status("/proc/" + std::to_string(process.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("ShdPnd:"))
      return (std::stoull(line.substr(8), nullptr, 16) >> (signal - 1) & 1) != 0;
  }
  return false;
}

// The thread of the only worker, stopped; it takes CAP_SYS_PTRACE.
class StoppedWorker {
 public:
  explicit StoppedWorker(const Process& process) : thread_(thread_of(process, "worker 0")) {
    stopped_ = ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0;
    if (!stopped_) MESSAGE("one thread of the gateway cannot be stopped here");
    if (!stopped_) return;
    ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr);
    waitpid(thread_, nullptr, __WALL);
  }
  bool stopped() const { return stopped_; }
  void go_on() const { ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }

 private:
  pid_t thread_;
  bool stopped_ = false;
};

const std::string route =
    "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n";

std::string extra(int port) {
  return "  - { name: extra, address: \"127.0.0.1:" + std::to_string(port) + "\", plaintext: true }\n";
}

int status_of(int port, const std::string& path) {
  return Client(port, {.tls = false}).ask(get(path)).status;
}

}  // namespace

TEST_CASE("a stderr that nobody reads stops nobody, and SIGTERM ends the process") {
  const TempDir dir;
  const UnreadPipe pipe(dir);
  const int port = free_port();
  Process gateway(dir, "gateway", into(pipe, "2>", dir.write("gateway.yaml", config_on(port, "off"))));
  REQUIRE(eventually([&] { return status_of(port, "/x") == 200; }));
  for (int i = 0; i < 30; ++i) REQUIRE(status_of(port, "/down") == 503);
  gateway.signal(SIGTERM);
  CHECK(gateway.wait() == 0);
}

TEST_CASE("an access log into a pipe that nobody reads stops nobody, and SIGTERM ends the process") {
  for (const std::string how : {">", ">\"$2\" 2>"}) {
    const TempDir dir;
    const UnreadPipe pipe(dir);
    const int port = free_port();
    Process gateway(dir, "gateway", into(pipe, how, dir.write("gateway.yaml", config_on(port, "stdout"))));
    REQUIRE(eventually([&] { return status_of(port, "/x") == 200; }));
    for (int i = 0; i < 30; ++i) REQUIRE(status_of(port, "/down") == 503);
    gateway.signal(SIGTERM);
    CHECK(gateway.wait() == 0);
  }
}

TEST_CASE("a start that fails ends although nobody reads why") {
  const TempDir dir;
  const UnreadPipe pipe(dir);
  Process gateway(dir, "gateway", into(pipe, "2>", dir.write("gateway.yaml", "version: 2\n")));
  CHECK(gateway.wait() == 78);
}

TEST_CASE(
    "a worker whose loop stands still is told by /healthz, and does not keep SIGTERM from ending the "
    "process") {
  Gateway gateway(
      "shutdown: { drain_timeout: 1s }\nroutes:\n  - { name: x, match: { path: /x }, authenticate: "
      "public, respond: { status: 200 } }\n");
  CHECK(gateway.admin("/healthz").status == 200);
  const pid_t worker = thread_of(gateway.process(), "worker 0");
  REQUIRE(worker > 0);
  if (ptrace(PTRACE_SEIZE, worker, nullptr, nullptr) != 0) {
    MESSAGE("one thread of the gateway cannot be stopped here: it takes CAP_SYS_PTRACE");
    return;
  }
  ptrace(PTRACE_INTERRUPT, worker, nullptr, nullptr);
  CHECK(eventually([&] { return gateway.admin("/healthz").status == 503; }));
  CHECK(gateway.admin("/healthz").body.find("worker 0 has not turned its loop for ") != std::string::npos);
  gateway.process().signal(SIGTERM);
  CHECK(eventually([&] {
    waitpid(worker, nullptr, __WALL | WNOHANG);  // a traced thread is its tracer's to bury
    return !gateway.process().running();
  }));
  CHECK(gateway.told("worker_does_not_end worker=0"));
}

TEST_CASE("a word that no command knows is named, with what was meant, and ends with 2") {
  const auto told = [](std::vector<std::string> words) {
    words.insert(words.begin(), binary());
    const Finished done = run(words);
    CHECK(done.status == 2);
    CHECK(done.out.empty());
    return done.err;
  };
  CHECK(told({"chek", "x.yaml"}) ==
        "\"chek\" is not known to `sallyport`; did you mean \"check\"?; `sallyport --help` says what is\n");
  CHECK(told({"keys", "delete"}) ==
        "\"delete\" is not known to `sallyport keys`; `sallyport keys --help` says what is\n");
  CHECK(told({"keys", "create", "--flie", "k.yaml", "--client", "a"}).find("did you mean \"--file\"?") !=
        std::string::npos);
  CHECK(told({"show", "--format", "json", "x.yaml"})
            .starts_with("\"--format\" is not known to `sallyport show`"));
  CHECK(told({}).find("required") != std::string::npos);
}

TEST_CASE("a second start of the same config is refused, unless it is asked for") {
  const TempDir dir;
  const int port = free_port();
  const std::string config = dir.write("gateway.yaml", config_on(port, "off"));
  Process first(dir, "first", {binary(), "run", config});
  REQUIRE(eventually([&] { return status_of(port, "/x") == 200; }));
  const Finished second = run({binary(), "run", config});
  CHECK(second.status == 1);
  CHECK(second.err.find("sallyport: cannot listen on 127.0.0.1:" + std::to_string(port)) !=
        std::string::npos);
  CHECK(second.err.find("--share-ports") != std::string::npos);
  Process third(dir, "third", {binary(), "run", "--share-ports", config});
  CHECK(eventually([&] { return third.err().find(" started ") != std::string::npos; }));
}

TEST_CASE("two listeners of one config may have one port on different addresses") {
  const TempDir dir;
  const std::string port = std::to_string(free_port());
  Process gateway(dir, "gateway",
                  {binary(), "run",
                   dir.write("gateway.yaml",
                             "version: 1\nlisteners:\n"
                             "  - { name: one, address: \"127.0.0.1:" +
                                 port + "\", plaintext: true }\n  - { name: all, address: \"0.0.0.0:" + port +
                                 "\", plaintext: true }\n"
                                 "routes:\n  - { name: x, match: { path: /x }, authenticate: "
                                 "public, respond: { status: 200 } }\n")});
  CHECK(eventually([&] { return gateway.err().find(" started ") != std::string::npos; }));
}

TEST_CASE("a second process never takes the admin port") {
  const TempDir dir;
  const std::string admin = "admin: { address: \"127.0.0.1:" + std::to_string(free_port()) + "\" }\n";
  const std::string config = dir.write("gateway.yaml", admin + config_on(0, "off"));
  Process first(dir, "first", {binary(), "run", config});
  REQUIRE(eventually([&] { return first.err().find(" started ") != std::string::npos; }));
  for (const char* flag : {"--workers=1", "--share-ports"}) {
    const Finished second = run({binary(), "run", flag, config});
    CHECK(second.status == 1);
    CHECK(second.err.find(
              "(listener admin): Address already in use; the admin port is never shared with another "
              "process: give this one another (admin.address)\n") != std::string::npos);
  }
}

TEST_CASE("connections to the admin port that ask for nothing do not keep a probe out") {
  Gateway gateway(
      "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n");
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 100; ++i)
    silent.push_back(std::make_unique<Client>(gateway.port("admin"), ClientOptions{.tls = false}));
  CHECK(gateway.admin("/healthz").status == 200);
  CHECK(silent.front()->at_end());
}

TEST_CASE("a pipe where a file should be holds up neither a check, nor a start, nor a running gateway") {
  Gateway gateway(
      "authenticators: { k: { type: api_key, file: keys.yaml } }\nroutes:\n  - { name: x, match: "
      "{ path: /x }, authenticate: public, respond: { status: 200 } }\n",
      [](const TempDir& dir) { dir.write("keys.yaml", "version: 1\nkeys: []\n"); });
  const std::string pipe = gateway.dir().path("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  for (const char* command : {"check", "run"}) {
    const Finished done = run({binary(), command, pipe});
    CHECK(done.status == 78);
    CHECK(done.err == pipe + ": cannot read it: it is a pipe, not a regular file\n");
  }
  std::filesystem::rename(pipe, gateway.dir().path("keys.yaml"));
  gateway.reload();
  CHECK(gateway.told("config_unchanged"));
  CHECK(gateway.errors().find("keys.yaml: cannot read it: it is a pipe, not a regular file") !=
        std::string::npos);
  CHECK(gateway.admin("/healthz").status == 200);
}

TEST_CASE(
    "an access log may be a pipe that nobody reads yet: check and run agree, and the reader gets the lines") {
  const TempDir dir;
  const std::string pipe = dir.path("log");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const int port = free_port();
  const std::string config = dir.write("gateway.yaml", config_on(port, "\"file:" + pipe + "\""));
  CHECK(run({binary(), "check", config}).status == 0);
  Process gateway(dir, "gateway", {binary(), "run", config});
  REQUIRE(eventually([&] { return gateway.err().find(" started ") != std::string::npos; }));
  CHECK(Client(port, {.tls = false}).ask(get("/x")).status == 200);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  std::string lines(4096, '\0');
  ssize_t got = 0;
  CHECK(eventually([&] { return (got = read(reader, lines.data(), lines.size())) > 0; }));
  CHECK(lines.find("\"path\":\"/x\"") < lines.size());
  close(reader);
}

TEST_CASE("to share a port is recommended only where that would help") {
  const TempDir dir;
  const Origin other;  // does not share its port
  const auto told = [&](const std::string& address) {
    std::string config = config_on(other.port(), "off");
    const std::string usual = "127.0.0.1:" + std::to_string(other.port());
    config.replace(config.find(usual), usual.size(), address);
    return run({binary(), "run", dir.write("gateway.yaml", config)}).err;
  };
  const std::string taken = told("127.0.0.1:" + std::to_string(other.port()));
  CHECK(taken.ends_with("(listener mesh): Address already in use\n"));
  CHECK(told("192.0.2.1:8443").ends_with("(listener mesh): Cannot assign requested address\n"));
}

TEST_CASE("connections that are closed as there is no descriptor for them are counted, and told once") {
  const TempDir dir;
  const int port = free_port(), admin = free_port();
  const std::string config =
      dir.write("gateway.yaml",
                "admin: { address: \"127.0.0.1:" + std::to_string(admin) + "\" }\n" + config_on(port, "off"));
  Process gateway(dir, "gateway", {"sh", "-c", "ulimit -n 48; exec \"$0\" run \"$1\"", binary(), config});
  const auto metrics = [&] { return Client(admin, {.tls = false}).ask(get("/metrics")).body; };
  const std::string sample = "sallyport_connections_refused_total{listener=\"mesh\",reason=\"descriptors\"} ";
  REQUIRE(eventually([&] { return metrics().find(sample + "0\n") != std::string::npos; }));
  std::vector<std::unique_ptr<Client>> open;
  size_t closed = 0;
  for (int i = 0; i < 60; ++i) {
    open.push_back(std::make_unique<Client>(port, ClientOptions{.tls = false}));
    closed += open.back()->ask(get("/x")).status == 200 ? 0 : 1;
  }
  CHECK(closed > 10);
  CHECK(metrics().find(sample) != std::string::npos);  // the admin port has descriptors of its own
  open.clear();
  CHECK(eventually(
      [&] { return metrics().find(sample + std::to_string(closed) + "\n") != std::string::npos; }));
  CHECK(eventually([&] { return status_of(port, "/x") == 200; }));
  const std::string errors = gateway.err();
  CHECK(errors.find("out_of_descriptors listener=mesh") != std::string::npos);
  CHECK(errors.find("out_of_descriptors") == errors.rfind("out_of_descriptors"));
}

TEST_CASE("a listener that comes back while a worker still has its socket is bound again") {
  const int port = free_port();
  Gateway gateway(route, {}, {.more_listeners = extra(port)});
  StoppedWorker worker(gateway.process());
  if (!worker.stopped()) return;
  gateway.rewrite_config(route);
  gateway.reload();
  CHECK(gateway.told("config_reloaded"));
  gateway.rewrite_config(route, extra(port));
  gateway.reload();
  while (is_pending(gateway.process(), SIGHUP)) {
  }
  for (int i = 0; i < 2; ++i)
    CHECK(gateway.admin("/healthz").status != 0);  // the main thread has turned since
  worker.go_on();
  CHECK(eventually([&] { return status_of(port, "/x") == 200; }));
  CHECK(gateway.errors().find("config_reload_failed") == std::string::npos);
}

TEST_CASE("signals that come while a reload is under way are one more reload, and none behind SIGTERM") {
  const TempDir dir;
  std::string text = config_on(free_port(), "off");
  for (int i = 0; i < 3000; ++i)
    text += "  - { name: r" + std::to_string(i) + ", match: { path: /r" + std::to_string(i) +
            " }, authenticate: public, respond: { status: 200 } }\n";
  const std::string config = dir.write("gateway.yaml", text);
  Process gateway(dir, "gateway", {binary(), "run", config});
  REQUIRE(eventually([&] { return gateway.err().find(" started ") != std::string::npos; }));
  pollfd opened{inotify_init1(IN_CLOEXEC), POLLIN, 0};
  inotify_add_watch(opened.fd, config.c_str(), IN_OPEN);
  gateway.signal(SIGHUP);
  REQUIRE(poll(&opened, 1, 20'000) == 1);
  close(opened.fd);
  for (int i = 0; i < 20; ++i) {
    gateway.signal(SIGHUP);
    while (is_pending(gateway, SIGHUP)) {
    }  // two that wait for delivery are one
  }
  gateway.signal(SIGTERM);
  CHECK(gateway.wait() == 0);
  const std::string errors = gateway.err();
  size_t reloads = 0;
  for (size_t at = errors.find(" config_reloaded "); at != errors.npos;
       at = errors.find(" config_reloaded ", at + 1))
    ++reloads;
  CHECK(reloads >= 1);
  CHECK(reloads <= 2);
}
