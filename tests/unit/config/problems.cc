// What is wrong with a config, as it is told.
#include "gateway/config/problems.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;

TEST_CASE("a hint is made once for a name, and for no more names than are told of") {
  config::Problems problems;
  const int some = 0, others = 0;
  size_t made = 0;
  const auto hint = [&](const void* among, const std::string& name) {
    return problems.hint(among, name, [&] { return "did you mean " + std::to_string(++made); });
  };
  for (int i = 0; i < 3; ++i) CHECK(hint(&some, "name") == "did you mean 1");
  CHECK(hint(&others, "name") == "did you mean 2");
  for (size_t i = 2; i < config::Problems::kept_max; ++i) CHECK(hint(&some, std::to_string(i)) != "");
  CHECK(hint(&some, "one more").empty());
  CHECK(hint(&some, "name") == "did you mean 1");
  CHECK(made == config::Problems::kept_max);
}
