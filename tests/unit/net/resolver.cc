// Resolver: against a DNS server that is scripted.
#include "gateway/net/resolver.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_dns.h"
#include "tests/support/process.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;
using test::FakeDns;

namespace {

constexpr auto patience = 60s;

// A resolver that asks a scripted server, with a resolv.conf and a hosts file of its own.
struct Story {
  explicit Story(FakeDns::Answer answer) : dns(std::move(answer)) {
    dir.write("hosts", "192.0.2.9 listed.test\n");
    dir.write("resolv.conf", "search cluster.test\noptions ndots:2\n");
    setenv("CARES_HOSTS", dir.path("hosts").c_str(), 1);
  }
  ~Story() { unsetenv("CARES_HOSTS"); }

  net::Resolver::Options options(const FakeDns& server) const {
    return {{server.server()}, dir.path("resolv.conf")};
  }
  Task<Result<net::Resolved>> ask(const std::string& host) {
    return resolver.resolve(host, 80, loop.now() + patience);
  }
  // Time passes, and the loop sees it.
  void pass(std::chrono::nanoseconds time) {
    test::advance(time);
    turn();
  }
  void turn() { test::turn(loop); }
  // The addresses with commas between, or the error's reason.
  std::string look_up(const std::string& host) { return text(test::finish(loop, ask(host))); }
  static std::string text(const Result<net::Resolved>& found) {
    if (!found) return std::string(found.error().reason);
    std::string all;
    for (const auto& address : found->addresses) all += (all.empty() ? "" : ",") + address.host;
    return all;
  }

  test::TempDir dir;
  FakeDns dns;
  Loop loop;
  net::Resolver resolver{loop, options(dns)};
};

FakeDns::Answer always(std::vector<std::string> all, uint32_t ttl = 60) {
  return [=](const FakeDns::Query& q) { return FakeDns::addresses(q, all, ttl); };
}

}  // namespace

TEST_CASE("a name has all its addresses, and the least of their TTLs") {
  Story story(always({"192.0.2.1", "192.0.2.2", "2001:db8::1"}, 7));
  const auto found = test::finish(story.loop, story.ask("api.test.here"));
  REQUIRE(found);
  CHECK(found->addresses.size() == 3);
  CHECK(found->addresses.front().port == 80);
  CHECK(found->good_for == 7s);
  CHECK(Story::text(found).contains("192.0.2.2"));
  CHECK(Story::text(found).contains("2001:db8::1"));
}

TEST_CASE("whoever asks for one name shares one look-up; its answer is kept for a second") {
  Story story(always({"192.0.2.1"}));
  std::vector<Task<Result<net::Resolved>>> others;
  for (int i = 0; i < 20; ++i) others.push_back(story.ask("api.test.here"));
  CHECK(story.look_up("api.test.here") == "192.0.2.1");
  CHECK(std::ranges::all_of(others, [](const auto& task) { return task.done(); }));
  CHECK(story.dns.count("api.test.here") == 2);  // A and AAAA
  CHECK(story.look_up("api.test.here") == "192.0.2.1");
  CHECK(story.dns.count("api.test.here") == 2);
  story.pass(1s);
  CHECK(story.look_up("api.test.here") == "192.0.2.1");
  CHECK(story.dns.count("api.test.here") == 4);
}

TEST_CASE("a name that nobody answers holds up no other, and costs few queries") {
  Story story([](const FakeDns::Query& q) {
    return q.name == "silent.test.here" ? FakeDns::silence() : FakeDns::addresses(q, {"192.0.2.1"});
  });
  std::vector<Task<Result<net::Resolved>>> hanging;
  for (int i = 0; i < 100; ++i) hanging.push_back(story.ask("silent.test.here"));
  CHECK(story.look_up("api.test.here") == "192.0.2.1");
  CHECK(story.look_up("other.test.here") == "192.0.2.1");
  CHECK(story.dns.count("silent.test.here") <= 8);
  CHECK(std::ranges::none_of(hanging, [](const auto& task) { return task.done(); }));
  while (hanging.size() > 10) hanging.pop_back();  // the others have gone
  story.pass(patience);
  CHECK(std::ranges::all_of(hanging, [](const auto& task) { return task.done(); }));
  CHECK(Story::text(test::finish(story.loop, std::move(hanging.front()))) == "name_timeout");
}

TEST_CASE("a look-up that is under way ends with its resolver") {
  Story story([](const FakeDns::Query&) { return FakeDns::silence(); });
  const Task<Result<net::Resolved>> hanging = story.ask("silent.test.here");
  CHECK(test::eventually([&] {
    story.turn();
    return story.dns.count("silent.test.here") >= 2;
  }));
}

TEST_CASE("that a name is not there is kept for a second, too") {
  Story story([](const FakeDns::Query& q) { return FakeDns::code(q, 3); });
  for (int i = 0; i < 10; ++i) CHECK(story.look_up("none.test.here.") == "name_not_resolved");
  CHECK(story.dns.count() == 2);
  story.pass(1s);
  CHECK(story.look_up("none.test.here.") == "name_not_resolved");
  CHECK(story.dns.count() == 4);
}

TEST_CASE("who has an address of one family does not wait for a server that is silent about the other") {
  Story story([](const FakeDns::Query& q) {
    return q.type == FakeDns::aaaa ? FakeDns::silence() : FakeDns::addresses(q, {"192.0.2.1"});
  });
  CHECK(story.look_up("api.test.here") == "192.0.2.1");
  for (int i = 0; i < 5; ++i) {
    story.pass(1s);
    CHECK(story.look_up("api.test.here") == "192.0.2.1");
  }
  CHECK(story.dns.count("api.test.here") <= 6 + 4);  // AAAA is not asked again while it still is
}

TEST_CASE("whether both families have been answered for is told") {
  Story story([](const FakeDns::Query& q) {
    if (q.type == FakeDns::a || q.name == "four.test.here") return FakeDns::addresses(q, {"192.0.2.1"});
    if (q.name == "both.test.here") return FakeDns::addresses(q, {"2001:db8::1"});
    return q.name == "silent.test.here" ? FakeDns::silence() : FakeDns::code(q, 2);
  });
  for (const std::string name : {"four", "both", "silent", "failing"}) {
    CAPTURE(name);
    const auto found = test::finish(story.loop, story.ask(name + ".test.here"));
    REQUIRE(found);
    CHECK(found->whole == (name == "four" || name == "both"));
  }
}

TEST_CASE("servers that fail, cut off, lie or babble give an error, or what is good of it") {
  using Query = FakeDns::Query;
  const auto says = [](const FakeDns::Answer& answer) {
    Story story(answer);
    return story.look_up("api.test.here.");
  };
  CHECK(says([](const Query& q) { return FakeDns::code(q, 2); }) == "name_not_resolved");
  CHECK(says([](const Query& q) { return FakeDns::code(q, 5); }) == "name_not_resolved");
  CHECK(says([](const Query& q) { return FakeDns::truncated(q); }) == "name_not_resolved");
  CHECK(says([](const Query& q) { return FakeDns::addresses(q, {}); }) == "name_not_resolved");

  // An alias of itself, a name that points to itself, and one beyond the end.
  for (const std::string& target :
       {std::string("\xc0\x0c", 2), std::string("\xc0\x2b", 2), std::string("\xff\xff", 2)}) {
    CHECK(says([&](const Query& q) {
            const std::string alias("\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02", 12);
            return std::vector{FakeDns::message(q, 0, 1) + alias + target};
          }) == "name_not_resolved");
  }
  // More records than there are, and a record that is longer than the message.
  CHECK(says([](const Query& q) { return std::vector{FakeDns::message(q, 0, 65535)}; }) ==
        "name_not_resolved");
  CHECK(says([](const Query& q) {
          return std::vector{FakeDns::message(q, 0, 1) +
                             std::string("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\xff\xff", 12)};
        }) == "name_not_resolved");

  // What is not an answer to this query is passed over.
  const auto honest = [](const Query& q) { return FakeDns::addresses(q, {"192.0.2.1"}).front(); };
  CHECK(says([&](const Query& q) { return std::vector{std::string("babble"), honest(q)}; }) == "192.0.2.1");
  CHECK(says([&](const Query& q) { return std::vector{std::string(), honest(q)}; }) == "192.0.2.1");
  CHECK(says([&](const Query& q) {
          Query other = q;
          other.id[0] = static_cast<char>(~other.id[0]);
          return std::vector{FakeDns::addresses(other, {"198.51.100.1"}).front(), honest(q)};
        }) == "192.0.2.1");
}

TEST_CASE("what does not fit a datagram comes by TCP; of a hundred addresses 32 are taken") {
  std::vector<std::string> all;
  for (int i = 1; i <= 100; ++i) all.push_back("192.0.2." + std::to_string(i));
  Story story(
      [&](const FakeDns::Query& q) { return q.tcp ? FakeDns::addresses(q, all) : FakeDns::truncated(q); });
  const auto found = test::finish(story.loop, story.ask("api.test.here"));
  REQUIRE(found);
  CHECK(found->addresses.size() == 32);
}

TEST_CASE("what is no host name is never asked for, nor is what this machine knows itself") {
  Story story(always({"192.0.2.1"}));
  const std::string label(64, 'a');
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  for (const std::string& bad : {std::string(), std::string("."), std::string("a..b"), std::string("a b"),
                                 std::string("a/b"), std::string("a\0b", 3), std::string("127.1"),
                                 std::string("1.2.3.4.5"), label + ".test", longest + "a"}) {
    CHECK(story.look_up(bad) == "name_not_resolved");
  }
  CHECK(story.look_up("192.0.2.77") == "192.0.2.77");
  CHECK(story.look_up("2001:db8::7") == "2001:db8::7");
  CHECK(story.look_up("localhost").contains("127.0.0.1"));
  CHECK(story.look_up("a.LocalHost.").contains("127.0.0.1"));
  CHECK(story.look_up("listed.test") == "192.0.2.9");
  CHECK(story.dns.count() == 0);
  CHECK(story.look_up("a_b-c.test.here") == "192.0.2.1");
}

TEST_CASE("the hosts file and resolv.conf are read again when they have changed") {
  Story story([](const FakeDns::Query& q) {
    return q.name == "api.cluster.test" || q.name == "api.new.test" ? FakeDns::addresses(q, {"192.0.2.1"})
                                                                    : FakeDns::code(q, 3);
  });
  CHECK(story.look_up("api") == "192.0.2.1");  // by its search list
  CHECK(story.dns.count("api.new.test") == 0);
  CHECK(story.look_up("listed.test") == "192.0.2.9");
  story.dir.write("resolv.conf", "search new.test\n");
  story.dir.write("hosts", "192.0.2.10 listed.test\n");
  story.pass(1s);
  CHECK(story.look_up("api") == "192.0.2.1");
  CHECK(story.dns.count("api.new.test") == 2);
  CHECK(story.look_up("listed.test") == "192.0.2.10");
  std::filesystem::remove(story.dir.path("resolv.conf"));  // what it said holds
  story.pass(1s);
  CHECK(story.look_up("api") == "192.0.2.1");
  CHECK(story.dns.count("api.new.test") == 4);
}

TEST_CASE("both families are of one name of the search list: the first that has any address") {
  Story story([](const FakeDns::Query& q) {
    if (q.name == "api.one.test") return FakeDns::addresses(q, {"192.0.2.1"});
    if (q.name == "six.two.test") return FakeDns::addresses(q, {"2001:db8::2"});
    if (q.name.ends_with(".three.test")) return FakeDns::addresses(q, {"192.0.2.3", "2001:db8::3"});
    return FakeDns::code(q, 3);
  });
  story.dir.write("resolv.conf", "search one.test two.test three.test.\noptions ndots:2\n");
  for (int i = 0; i < 2; ++i) {
    CHECK(story.look_up("api") == "192.0.2.1");  // and not the 2001:db8::3 of another host
    CHECK(story.look_up("six") == "2001:db8::2");
    CHECK(story.look_up("six.") == "name_not_resolved");
    CHECK(story.look_up("any.thing").contains("192.0.2.3"));
    story.pass(1s);
  }
  CHECK(story.dns.count("api.two.test") == 0);
}

TEST_CASE("a family that is still asked for by another name of the search list is not waited for") {
  Story story([](const FakeDns::Query& q) {
    if (!q.name.ends_with(".two.test")) return FakeDns::code(q, 3);
    return q.type == FakeDns::aaaa ? FakeDns::silence() : FakeDns::addresses(q, {"192.0.2.2"});
  });
  story.dir.write("resolv.conf", "search one.test two.test\n");
  for (int i = 0; i < 3; ++i) {
    CHECK(story.look_up("api") == "192.0.2.2");
    story.pass(1s);
  }
}

TEST_CASE("how often a server is asked, and how long it has, is for resolv.conf to say") {
  Story story([](const FakeDns::Query&) { return FakeDns::silence(); });
  story.dir.write("resolv.conf", "options ndots:1 timeout:1 attempts:1\n");
  CHECK(story.look_up("silent.test.here") == "name_not_resolved");
  CHECK(story.dns.count("silent.test.here") == 2);
}

TEST_CASE("with other servers, look-ups under way begin again") {
  FakeDns better(always({"192.0.2.2"}));
  Story story([](const FakeDns::Query&) { return FakeDns::silence(); });
  Task<Result<net::Resolved>> asked = story.ask("api.test.here");
  CHECK(test::eventually([&] {
    story.turn();
    return story.dns.count() >= 2;
  }));
  story.resolver.use(story.options(better));
  CHECK(story.look_up("api.test.here") == "192.0.2.2");
  CHECK(asked.done());
}

TEST_CASE("what other servers have said is forgotten with them") {
  FakeDns better(always({"192.0.2.2"}));
  Story story([](const FakeDns::Query& q) { return FakeDns::code(q, 3); });
  CHECK(story.look_up("api.test.here.") == "name_not_resolved");
  story.resolver.use(story.options(better));
  CHECK(story.look_up("api.test.here.") == "192.0.2.2");
}

TEST_CASE("so many names and no more are looked up at once") {
  Story story([](const FakeDns::Query&) { return FakeDns::silence(); });
  std::vector<Task<Result<net::Resolved>>> hanging;
  for (size_t i = 0; i < net::Resolver::names_max; ++i)
    hanging.push_back(story.ask("n" + std::to_string(i) + ".test.here"));
  CHECK(std::ranges::none_of(hanging, [](const auto& task) { return task.done(); }));
  CHECK(story.look_up("one-more.test.here") == "name_not_resolved");
  CHECK(story.look_up("n0.test.here.") == "name_not_resolved");
}
