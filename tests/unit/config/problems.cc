// What is wrong with a config, as it is told.
#include "gateway/config/problems.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;

TEST_CASE("a hint is made once for a name, and for no more names than are looked through soon") {
  config::Problems problems;
  const int some = 0, others = 0;
  size_t made = 0;
  const auto hint = [&](const void* among, size_t count, const std::string& name) {
    return problems.hint(among, count, name, [&] { return "did you mean " + std::to_string(++made); });
  };
  for (int i = 0; i < 3; ++i) CHECK(hint(&some, 10'000, "name") == "did you mean 1");
  CHECK(hint(&others, 5000, "name") == "did you mean 2");
  CHECK(hint(&others, 5001, "one more").empty());
  CHECK(hint(&others, 5000, "one more") == "did you mean 3");
  CHECK(hint(&some, 10'000, "name") == "did you mean 1");
  CHECK(made == 3);
  config::Problems of_many;
  CHECK(of_many.hint(&some, 1'000'000, "name", [] { return std::string("found"); }) == "found");
}
