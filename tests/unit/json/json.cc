#include "gateway/json/json.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;

TEST_CASE("limits are the document's own: a parser takes others each time") {
  json::Parser parser;
  CHECK(parser.parse("[1]").error().reason == "too_large");
  CHECK(parser.parse("[1]", {3}));
  CHECK(parser.parse("[1 ]", {3}).error().reason == "too_large");
  for (const size_t depth : {1, 2, 64, 256}) {
    CAPTURE(depth);
    const std::string good = std::string(depth, '[') + std::string(depth, ']'), bad = "{\"a\":" + good + "}";
    CHECK(parser.parse(good, {1000, depth}));
    CHECK(parser.parse(bad, {1000, depth}).error().reason == "too_deep");
  }
  CHECK(parser.parse(std::string(1000, '[') + std::string(1000, ']'), {2000, 256}).error().reason ==
        "too_deep");
  CHECK(parser.parse("1", {1, 1}));
}

TEST_CASE("no text, and nothing but blanks, is no document") {
  json::Parser parser(100);
  for (const std::string_view empty :
       {std::string_view(), std::string_view(""), std::string_view(" "), std::string_view("\r\n\t ")})
    CHECK(parser.parse(empty).error().reason == "malformed_json");
}

TEST_CASE("a member that is there twice is found among few and among many, whatever its escapes") {
  json::Parser parser(1 << 20);
  for (const int count : {2, 16, 17, 1000}) {
    CAPTURE(count);
    std::string members;
    for (int i = 0; i < count; ++i) members += "\"m" + std::to_string(i) + "\":{\"m0\":1},";
    CHECK(parser.parse("{" + members + "\"x\":1}"));
    CHECK(parser.parse("[{" + members + "\"\\u006d0\":1}]").error().reason == "duplicate_member");
    CHECK(parser.parse("{" + members + "\"m" + std::to_string(count - 1) + "\":1}").error().reason ==
          "duplicate_member");
  }
}

TEST_CASE("what a large document took is given back, what an ordinary one took is kept") {
  json::Parser parser(2 << 20);
  REQUIRE(parser.parse("[" + std::string(1 << 20, ' ') + "]"));
  CHECK(parser.capacity() > 1 << 20);
  parser.shrink();
  CHECK(parser.capacity() == 0);
  REQUIRE(parser.parse("[" + std::string(100'000, ' ') + "]"));
  parser.shrink();
  CHECK(parser.capacity() >= 100'000);
  CHECK(parser.parse("[1]"));
}
