#include "tests/cost/gate.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "gateway/core/serve.h"
#include "gateway/core/world.h"
#include "gateway/http/h1_server.h"
#include "gateway/server/generation.h"
#include "tests/unit/http/memory_stream.h"

namespace sallyport::cost {
namespace {

namespace fs = std::filesystem;

// What server/connection.cc does with one connection, but for TLS and the drain.
Task<> serve_all(http::h1::ServerConnection& http, Exchange& x, const std::shared_ptr<const World>& world) {
  for (bool go_on = co_await http.wait_for_request(); go_on;) {
    x.begin(world);
    Result<void> read = co_await http.read_request(x.arena, x.request);
    if (!read && read.error().code == Code::client_gone) co_return;
    if (!read) co_await x.fail(std::move(read.error()));
    co_await serve(x);
    go_on = x.sent().has_value();
    if (go_on) go_on = co_await http.finish();
    x.clear();
    if (go_on) go_on = co_await http.wait_for_request();
  }
}

}  // namespace

struct Gate::Impl {
  fs::path dir;
  Loop loop;
  net::Resolver resolver{loop};
  Cache process, worker;
  observe::Metrics metrics;
  std::shared_ptr<const server::Generation> generation;
  std::shared_ptr<const World> world;
  http::ServerLimits limits;
  ConnectionInfo info{"edge", "127.0.0.1", false, {}};
  ~Impl() {
    world.reset();
    worker.clear();
    fs::remove_all(dir);
  }
};

Gate::Gate(const std::string& config, const std::map<std::string, std::string>& files)
    : impl_(std::make_unique<Impl>()) {
  Impl& me = *impl_;
  std::string name = (fs::temp_directory_path() / "sallyport-cost-XXXXXX").string();
  expect(mkdtemp(name.data()) != nullptr, "there is no directory for its config");
  me.dir = name;
  for (const auto& [file, text] : files) std::ofstream(me.dir / file) << text;
  const fs::path path = me.dir / "sallyport.yaml";
  std::ofstream(path)
      << "version: 1\nlisteners: [ { name: edge, address: \"127.0.0.1:0\", plaintext: true } ]\n"
      << config;
  config::Problems problems;
  me.generation = server::Generation::make(path.string(), me.process, nullptr, nullptr, problems);
  expect(me.generation != nullptr, problems.text());
  me.limits = me.generation->server_limits();
  me.world = server::build_world(me.generation,
                                 {0, me.loop, me.resolver, me.process, me.worker, me.metrics, nullptr});
}

Gate::~Gate() = default;

int Gate::ask(Slice bytes, size_t piece) {
  Impl& me = *impl_;
  test::MemoryStream stream(me.loop);
  http::h1::ServerConnection http(stream, me.limits);
  Exchange x(me.loop, me.info, http);
  const Task<> task = serve_all(http, x, me.world);
  for (size_t at = 0; at < bytes.size() && !task.done(); at += piece) stream.feed(bytes.substr(at, piece));
  if (!task.done()) stream.end();
  const std::string answer = stream.take_written();
  return answer.size() > 12 ? std::atoi(answer.c_str() + 9) : 0;
}

std::string Gate::one_route(const std::string& lines) {
  return "routes:\n  - name: all\n    match: { path: \"/{rest...}\", slashes: merge, parameters: keep }\n" +
         lines + "    respond: { status: 204 }\n";
}

Input asked(std::string name, size_t size, std::shared_ptr<Gate> gate, int as_meant,
            std::function<std::string(size_t)> request, size_t piece) {
  return {std::move(name), size, [=](size_t n) -> Work {
            return [=, bytes = request(n)] {
              const int status = gate->ask(bytes, piece);
              expect(status == as_meant, "answered " + std::to_string(status));
            };
          }};
}

std::string get(const std::string& target, const std::string& headers) {
  return "GET " + target + " HTTP/1.1\r\nHost: api.test\r\n" + headers + "\r\n";
}
std::string post(const std::string& content, const std::string& headers) {
  return "POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
}

}  // namespace sallyport::cost
