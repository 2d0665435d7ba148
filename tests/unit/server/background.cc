// Files that are watched on the main thread: when a change is told of.
#include "gateway/server/background.h"

#include <doctest/doctest.h>
#include <utime.h>

#include <fstream>

#include "gateway/async/timer.h"
#include "gateway/base/file_state.h"
#include "gateway/server/fetch.h"
#include "tests/support/fake_dns.h"
#include "tests/support/process.h"
#include "tests/support/silent.h"
#include "tests/support/tcp_server.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using test::eventually;

namespace {

struct Story {
  // In place, as an editor or a copy does it: whoever looks meanwhile sees half of it.
  void write(const std::string& text) const { std::ofstream(path, std::ios::trunc) << text; }
  void append(const std::string& text) const { std::ofstream(path, std::ios::app) << text; }
  // One look at the file, and the time between two of them.
  void look() {
    test::advance(milliseconds(251));
    test::finish(loop, turn());
  }
  Task<> turn() { co_await sleep(loop, milliseconds(1)); }

  test::TempDir dir;
  std::string path = dir.write("keys.yaml", "old");
  Loop loop;
  net::Resolver resolver{loop};
  observe::Metrics metrics;
  server::MainBackground background{loop, resolver, metrics};
  int told = 0, news = 0;
  std::string unreadable;  // why
  std::unique_ptr<Background::Handle> watch = background.watch(path, [this](Background::Unread& unread) {
    ++told;
    if (!unreadable.empty() && unread.is_news(unreadable)) ++news;
  });
};

}  // namespace

TEST_CASE("a file that is being written is told of once it rests") {
  Story s;
  s.look();
  CHECK(s.told == 0);
  s.write("half");
  s.look();
  CHECK(s.told == 0);
  s.append(" and half");
  s.look();
  CHECK(s.told == 0);
  s.look();
  CHECK(s.told == 1);
  s.look();
  CHECK(s.told == 1);
  s.dir.write("keys.yaml", "replaced");
  s.look();
  s.look();
  CHECK(s.told == 2);
}

TEST_CASE("a file that is replaced again and again is told of at the second look: each was whole") {
  Story s;
  for (int i = 0; i < 2; ++i) {
    s.dir.write("keys.yaml", "replaced " + std::to_string(i));
    s.look();
  }
  CHECK(s.told == 1);
}

TEST_CASE("a file that is being written is not told of before it rests, however long that takes") {
  Story s;
  for (int i = 0; i < 40; ++i) {
    s.append("x");
    s.look();
  }
  CHECK(s.told == 0);
  s.look();
  CHECK(s.told == 1);
}

TEST_CASE("an edit that keeps size and time of modification is another state") {
  Story s;
  utimbuf times{1000, 1000};
  s.write("one");
  utime(s.path.c_str(), &times);
  const FileState one = FileState::of(s.path);
  CHECK(eventually([&] {
    s.write("two");
    utime(s.path.c_str(), &times);
    const FileState two = FileState::of(s.path);
    return two.seconds == one.seconds && two.size == one.size && two != one;
  }));
}

TEST_CASE("a file that cannot be read is tried again until it can be, and each cause is told once") {
  Story s;
  const auto looks = [&](const std::string& unreadable, int count) {
    s.unreadable = unreadable;
    for (int i = 0; i < count; ++i) s.look();
  };
  s.dir.write("keys.yaml", "replaced");
  looks("no descriptor", 4);
  CHECK(s.told == 3);
  CHECK(s.news == 1);
  looks("not ours", 2);
  CHECK(s.told == 5);
  CHECK(s.news == 2);
  looks("", 3);
  CHECK(s.told == 6);
  s.dir.write("keys.yaml", "again");
  looks("not ours", 3);
  CHECK(s.news == 3);
}

TEST_CASE("files that are watched together are told of together, and behind one that is watched alone") {
  Story s;
  std::vector<size_t> together;
  int calls = 0, alone = 0, alone_by_then = 0;
  const std::vector<std::string> files = {s.dir.write("a", "1"), s.dir.write("b", "1"),
                                          s.dir.write("c", "1")};
  const auto many = s.background.watch_together(
      files,
      [&](std::span<const Background::ChangedFile> changed) {
        ++calls;
        for (const Background::ChangedFile& file : changed) together.push_back(file.number);
        alone_by_then = alone;
      },
      false);
  const auto one = s.background.watch(s.dir.write("d", "1"), [&](Background::Unread&) { ++alone; });
  for (const char* name : {"a", "c", "d"}) s.dir.write(name, "2");
  s.look();
  s.look();
  CHECK(together == std::vector<size_t>{0, 2});
  CHECK(calls == 1);
  CHECK(alone_by_then == 1);
}

TEST_CASE("a document is fetched from the next address of its name where the first is silent") {
  const test::TcpServer server([](int fd, int) {
    test::Received(fd).some();
    test::send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  });
  const test::Silent silent(server.port());
  test::FakeDns dns(
      [](const test::FakeDns::Query& q) { return test::FakeDns::addresses(q, {"127.0.0.2", "127.0.0.1"}); });
  Loop loop;
  net::Resolver resolver{loop, {{dns.server()}, "/dev/null"}};
  Background::Fetch what;
  what.url = "http://idp.test:" + std::to_string(server.port()) + "/jwks";
  auto document = server::fetch_document(loop, resolver, what);
  int turns = 0;
  eventually([&] {  // both look-ups are over, and the first address is tried
    test::turn(loop);
    return dns.count("idp.test") >= 2 && ++turns > 50;
  });
  test::advance(milliseconds(2600));
  const Result<std::string> got = test::finish(loop, std::move(document));
  REQUIRE(got);
  CHECK(*got == "{}");
}
