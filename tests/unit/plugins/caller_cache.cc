#include "plugins/authenticate/caller_cache.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace sallyport;

namespace {

std::shared_ptr<const Principal> principal(const std::string& client, int64_t not_after_s,
                                           size_t roles_bytes = 10) {
  auto who = std::make_shared<Principal>();
  who->client = client;
  who->not_after_s = not_after_s;
  who->roles_text.assign(roles_bytes, 'x');
  return who;
}

}  // namespace

TEST_CASE("of several proofs the first says who calls, and the one that ends first says until when") {
  CallerCache callers;
  const auto who = callers.find_or_make({principal("ann", 0), principal("key", 500), principal("x", 400)});
  CHECK(who->client == "ann");
  CHECK(who->not_after_s == 400);
  const auto alone = principal("ann", 0);
  CHECK(callers.find_or_make({alone}) == alone);
}

TEST_CASE("the same proofs are the same caller, made once, and other proofs are another") {
  CallerCache callers;
  const auto ann = principal("ann", 0);
  const auto early = principal("key", 500), late = principal("key", 600);
  const auto who = callers.find_or_make({ann, early});
  CHECK(callers.find_or_make({ann, early}) == who);
  CHECK(callers.find_or_make({ann, late})->not_after_s == 600);
  CHECK(callers.find_or_make({early, ann})->client == "key");
}

TEST_CASE("a caller with much to remember is made each time, and nothing of it is kept") {
  CallerCache callers;
  auto large = principal("ann", 0, CallerCache::entry_bytes_max);
  const std::weak_ptr<const Principal> kept = large;
  const auto key = principal("key", 500);
  const std::weak_ptr<const Principal> made = callers.find_or_make({large, key});
  CHECK(made.expired());
  CHECK(callers.find_or_make({large, key})->not_after_s == 500);
  large.reset();
  CHECK(kept.expired());
}
