// Cluster: who waits for a name's look-up, and for how long, with a clock that is moved. The stories of names
// are in tests/e2e/names.cc.
#include "gateway/upstream/cluster.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "gateway/base/fd.h"
#include "gateway/observe/metrics.h"
#include "tests/support/fake_dns.h"
#include "tests/support/process.h"
#include "tests/support/silent.h"
#include "tests/support/tcp_server.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;
using test::FakeDns;
using test::Silent;

namespace {

// Says that it speaks HTTP/2, and no more.
void serve_settings(int fd, int) {
  using std::string_literals::operator""s;
  const std::string settings = "\0\0\0\4\0\0\0\0\0"s, acknowledged = "\0\0\0\4\1\0\0\0\0"s;
  test::Received input(fd);
  if (!test::send_all(fd, settings + acknowledged)) return;
  while (input.some() != "") {
  }
}

// A backend whose name DNS knows until it is lost, and a connection to it that is kept.
struct Story {
  Story() { release(test::finish(loop, cluster->acquire({}, false))); }
  ~Story() {
    cluster.reset();
    turn();
  }
  upstream::ClusterOptions options() const {
    upstream::ClusterOptions all;
    all.name = "b";
    all.targets.push_back(*upstream::parse_target("h2c://good.test:" + std::to_string(backend.port())));
    all.idle_timeout = 24h;
    return all;
  }
  static void release(Result<upstream::Lease*> lease) {
    REQUIRE(lease);
    static_cast<Held*>(*lease)->exchange_over();
  }
  // True if a request has its connection at once.
  bool at_once() {
    auto lease = cluster->acquire({}, false);
    if (!lease.done()) return false;
    release(lease.take());
    return true;
  }
  void pass(std::chrono::nanoseconds time) {
    test::advance(time);
    turn();
  }
  void turn() { test::turn(loop); }

  std::atomic<bool> lost{false}, moving{false}, silent_too{false};
  FakeDns dns{[this](const FakeDns::Query& q) {
    if (lost || (moving && q.type == FakeDns::a)) return FakeDns::silence();
    if (silent_too) return FakeDns::addresses(q, {"127.0.0.2", "127.0.0.1"});
    return FakeDns::addresses(
        q, moving ? std::vector<std::string>{"2001:db8::1"} : std::vector<std::string>{"127.0.0.1"});
  }};
  test::TcpServer backend{serve_settings};
  Loop loop;
  net::Resolver resolver{loop, {{dns.server()}, "/dev/null"}};
  observe::Metrics metrics;
  std::shared_ptr<upstream::Cluster> cluster =
      std::make_shared<upstream::Cluster>(loop, resolver, metrics, options());
};

}  // namespace

TEST_CASE("a name that is asked for steadily is looked up beside the requests") {
  Story story;
  CHECK(story.at_once());
  story.lost = true;
  for (int i = 0; i < 4; ++i) {
    story.pass(31s);
    CHECK(story.at_once());
  }
}

TEST_CASE(
    "a cluster that follows another begins with the addresses that are known, also where DNS is silent") {
  for (const auto pause : {1s, 7200s}) {
    Story s;
    s.lost = true;
    s.pass(pause);
    s.cluster = std::make_shared<upstream::Cluster>(s.loop, s.resolver, s.metrics, s.options());
    auto lease = s.cluster->acquire({}, false);
    s.turn();
    s.pass(300ms);
    Story::release(test::finish(s.loop, std::move(lease)));
  }
}

TEST_CASE("after a pause requests wait for a silent DNS, together a quarter of a second, once a look-up") {
  Story story;
  story.lost = true;
  for (const auto pause : {std::chrono::seconds(7200), std::chrono::seconds(120)}) {
    story.pass(pause);
    auto first = story.cluster->acquire({}, false), second = story.cluster->acquire({}, false);
    CHECK(!first.done());
    CHECK(!second.done());
    story.pass(250ms);
    REQUIRE(first.done());
    REQUIRE(second.done());
    Story::release(first.take());
    Story::release(second.take());
    CHECK(story.at_once());
    story.pass(31s);
    CHECK(story.at_once());
    CHECK(story.backend.connections() == 1);
  }
}

TEST_CASE("addresses of a family that nobody has answered for stay, with their connections") {
  Story story;
  story.moving = true;
  const size_t before = story.dns.count();
  story.pass(31s);
  CHECK(story.at_once());
  CHECK(test::eventually([&] {
    story.pass(10ms);
    return story.dns.count() >= before + 2;
  }));
  for (int i = 0; i < 20; ++i) story.pass(10ms);  // the second family's time is over
  CHECK(story.at_once());
  CHECK(story.backend.connections() == 1);
}

TEST_CASE("an address of a name that is silent leaves time for its others") {
  Story story;
  const Silent silent(story.backend.port());
  story.silent_too = true;
  for (int i = 0; i < 2; ++i) {  // whichever has its turn
    story.cluster =
        std::make_shared<upstream::Cluster>(story.loop, story.resolver, story.metrics, story.options());
    story.pass(2s);
    auto lease = story.cluster->acquire({}, false);
    CHECK(test::eventually([&] {
      story.turn();
      if (!lease.done()) test::advance(1ms);
      return lease.done();
    }));
    Story::release(lease.take());
  }
}
