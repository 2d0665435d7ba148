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
  CHECK(parser.capacity() < 1 << 20);  // nor does the copy of the large one stay
  CHECK(parser.parse("[1]"));
}

TEST_CASE("which member is there twice is known by its pointer") {
  json::Parser parser(1 << 20);
  const auto duplicate = [&](const std::string& text) {
    CHECK(parser.parse(text).error().reason == "duplicate_member");
    return parser.duplicate();
  };
  CHECK(duplicate(R"({"a":1,"a":2})") == "/a");
  CHECK(duplicate(R"({"x":[0,{"b/c":{"~d":1,"\u007ed":2}}]})") == "/x/1/b~1c/~0d");
  CHECK(duplicate("[[],{\"" + std::string(500, 'n') + "\":1,\"" + std::string(500, 'n') + "\":1}]") ==
        "/1/" + std::string(64, 'n') + "…");
}

TEST_CASE("where a text stops being JSON is told by its byte") {
  struct Case {
    std::string text;
    size_t at;
  };
  for (const Case& c :
       {Case{"", 0},        {" ", 1},         {"{", 1},          {"[1,]", 3},        {"[,]", 1},
        {"[1 2]", 3},       {"{\"a\" 1}", 5}, {"{\"a\":1,}", 7}, {"{a:1}", 1},       {"{\"a\":}", 5},
        {"{\"a\":tru}", 8}, {"[01]", 2},      {"[1.]", 3},       {"[-]", 2},         {"[1e+]", 4},
        {"[+1]", 1},        {"\"a", 2},       {"\"\\q\"", 2},    {"\"\\u12g4\"", 5}, {"\"a\nb\"", 2},
        {"1 2", 2},         {"{}}", 2},       {"[1}", 2},        {"nul", 3},         {"[1, 2, 'a']", 7}}) {
    CAPTURE(c.text);
    CHECK(json::malformed_at(c.text) == c.at);
    json::Parser parser(1000);
    CHECK_FALSE(parser.parse(c.text));
  }
  for (const std::string_view good :
       {"1", " [] ", "{}", "[[],{}]", "{\"a\":{\"b\":[1,-0.5e-3,true,null,\"\\u00e4\\n\"]}}", "[1e999]"}) {
    CAPTURE(good);
    CHECK(json::malformed_at(good) == std::nullopt);
  }
}

TEST_CASE("every text that the parser calls malformed has a byte that makes it so, however it is broken") {
  json::Parser parser(1000);
  const std::string good = R"({"a": [1, -2.5e3, true, {"b": "\u00e4\n", "c": null}], "d": {}, "e": []})";
  REQUIRE(parser.parse(good));
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char c : std::string_view("{}[]:,\"\\0e-. tx\n")) {
      for (const bool inserted : {false, true}) {
        std::string broken = good;
        if (inserted) {
          broken.insert(i, 1, c);
        } else {
          broken[i] = c;
        }
        CAPTURE(broken);
        const auto parsed = parser.parse(broken);
        const auto at = json::malformed_at(broken);
        if (parsed || parsed.error().reason == "duplicate_member") CHECK(at == std::nullopt);
        if (!parsed && parsed.error().reason == "malformed_json") CHECK(at.has_value());
        if (at) CHECK(*at >= i - std::min<size_t>(i, inserted ? 2 : 4));
      }
    }
  }
}
