// What a store says when it refuses, and what of that is told.
#include <doctest/doctest.h>

#include "tests/support/fake_redis.h"
#include "tests/support/gateway.h"

using namespace sallyport::test;

namespace {

std::string limited_by(const FakeRedis& redis) {
  return "stores: { shared: { url: \"redis://127.0.0.1:" + std::to_string(redis.port()) +
         "\", timeout: 2s } }\nlimits: { few: { rate: 60/1h, by: route, store: shared, when_store_fails: "
         "deny } "
         "}\nroutes: [ { name: x, match: { path: /x }, authenticate: public, limit: [few], respond: { "
         "status: "
         "200 } } ]\n";
}

}  // namespace

TEST_CASE("what a store says of AUTH is not told word by word: it may say the password") {
  for (const std::string refusal : {"ERR unknown command 'AUTH', with args beginning with: 'hunter2-pass' ",
                                    "WRONGPASS no: hunter2-pass", "hunter2-pass is wrong", "HUNTER"}) {
    CAPTURE(refusal);
    FakeRedis redis([&](const FakeRedis::Words& words, int) {
      return words.front() == "AUTH" ? "-" + refusal + "\r\n" : FakeRedis::good(words);
    });
    std::string config = limited_by(redis);
    config.insert(config.find(", timeout: 2s"), ", password: \"file:password\"");
    Gateway gateway(config, [](const TempDir& dir) { dir.write("password", "hunter2-pass\n"); });
    CHECK(gateway.ask(get("/x")).status == 503);
    CHECK(gateway.told("the store does not take the password"));
    CHECK_FALSE(gateway.errors().contains("hunter2"));
    CHECK(gateway.errors().contains("WRONGPASS") == refusal.starts_with("WRONGPASS"));
    CHECK_FALSE(gateway.errors().contains("HUNTER"));
  }
}

TEST_CASE("what a store refuses is told without what it was asked, and not at any length") {
  FakeRedis redis([&](const FakeRedis::Words& words, int) {
    if (words.front() != "EVALSHA") return FakeRedis::good(words);
    return "-ERR unknown command `EVALSHA`, with args beginning with: `" + words.back() + "`" +
           std::string(5000, 'x') + "\r\n";
  });
  Gateway gateway(limited_by(redis));
  CHECK(eventually([&] { return redis.count("EVALSHA") > 0 || gateway.ask(get("/x")).status == 0; }));
  CHECK(gateway.told("ERR unknown command `EVALSHA`"));
  CHECK_FALSE(gateway.errors().contains("args beginning"));
  CHECK_FALSE(gateway.errors().contains("xxxxxxxxxx"));
}
