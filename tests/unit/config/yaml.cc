#include "gateway/config/yaml.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "gateway/config/reader.h"

using namespace sallyport::config;

namespace {

std::string refusal_of(const std::string& text, const DocumentLimits& limits = {}) {
  Problems problems;
  const bool refused = parse_yaml(text, "t.yaml", problems, limits) == nullptr;
  CHECK(refused == !problems.empty());
  return problems.text();
}

std::string written_again(const std::string& text) {
  Problems problems;
  const auto node = parse_yaml(text, "t.yaml", problems);
  REQUIRE(node != nullptr);
  Writer writer;
  writer.value(std::make_shared<const Node>(*node));
  const auto again = parse_yaml(writer.text(), "again.yaml", problems);
  CAPTURE(writer.text());
  CAPTURE(problems.text());
  REQUIRE(again != nullptr);
  CHECK(to_json(*again) == to_json(*node));
  return writer.text();
}

std::string times(size_t count, const std::string& what) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += what;
  return out;
}

}  // namespace

TEST_CASE("nesting has a limit, however it is written") {
  const DocumentLimits limits{.depth_max = 8};
  CHECK(refusal_of(times(8, "[") + times(8, "]"), limits).empty());
  CHECK(refusal_of(times(9, "[") + times(9, "]"), limits) == "t.yaml:1:9: this is nested more than 8 deep\n");
  for (const char* opening : {"[", "{", "- ", "? ", "? - ", "a: [", "{a: ", "- ? "}) {
    CAPTURE(opening);
    CHECK_FALSE(refusal_of(times(100'000, opening), limits).empty());
  }
}

TEST_CASE("an alias costs what it would cost written out") {
  CHECK(refusal_of("a: &a [1, 2, 3, 4]\nb: *a\n", {.nodes_max = 13}).empty());
  CHECK(refusal_of("a: &a [1, 2, 3, 4]\nb: *a\n", {.nodes_max = 12}) ==
        "t.yaml:2:4: the document has more than 12 values\n");
  const std::string text = "a: &a " + times(100, "x") + "\nb: [*a, *a]\n";
  CHECK(refusal_of(text, {.bytes_max = 302}).empty());
  CHECK(refusal_of(text, {.bytes_max = 301}) == "t.yaml:2:9: the document has more than 301 bytes of text\n");
  CHECK(refusal_of("a: &a [[[1]]]\nb: [[*a]]\n", {.depth_max = 6}).empty());
  CHECK(refusal_of("a: &a [[[1]]]\nb: [[*a]]\n", {.depth_max = 5}) ==
        "t.yaml:2:6: this is nested more than 5 deep\n");
}

TEST_CASE("a syntax error is told with what is most likely meant") {
  struct Case {
    std::string text, place, remedy;
  };
  const std::string column = "the keys of one block begin in the same column";
  const std::string quotes = "is written between quotes";
  for (const Case& c : {
           Case{"log:\n\tlevel: info\n", "2:7", "line 2 is indented by a tab"},
           {"log:\n  level info\n  access: off\n", "3:9", column},
           {"log\n  level: info\n", "2:8", column},
           {"log:\n   level: info\n  access: off\n", "3:3", column},
           {"log:\n - level: info\n  access: off\n", "3:3", column},
           {"a: b: c\n", "1:5", quotes},
           {"a: {name}/x\n", "1:10", quotes},
           {"a: \"x\" y\n", "1:8", quotes},
           {"a: { path: /o/{id} }\n", "1:15", "a \"{\" or \"[\" is not closed"},
           {"a: [ b\nc: d\n", "2:2", "a \"{\" or \"[\" is not closed"},
           {"a: { b: c d: e }\n", "1:12", "a \",\" is missing"},
           {"a: {b: c}}\n", "1:10", "too many"},
           {"host: *.example.com\n", "1:7", quotes},
           {"a: @b\n", "1:4", quotes},
           {"a: `b\n", "1:4", quotes},
           {"a: %b\n", "1:4", quotes},
           {"a: &\n", "1:5", quotes},
           {"a: !b c\n", "1:4", quotes},
           {"a: >b\n", "1:5", quotes},
           {"a: \"\\q\"\n", "1:7", "a backslash is written twice"},
           {"a: 1\nb: 2\na: 3\n", "3:1", "it is at line 1 already"},
       }) {
    CAPTURE(c.text);
    const std::string told = refusal_of(c.text);
    CHECK(told.starts_with("t.yaml:" + c.place + ": "));
    CHECK(told.find(c.remedy) != told.npos);
    CHECK(told.find('\n') == told.size() - 1);
  }
}

TEST_CASE("what is written reads as the same") {
  written_again("a: |\n" + times(200, "  - - - [ { ? : - - - - - - - - - - - - - - - - - - -\n"));
  written_again("? " + times(3000, "k") + "\n: {b: 1, ? \"" + times(700, "\\x01") + "\" : [2]}\n");
  written_again(
      "[[a, [b, [c, {d: [e, 1, 2, 3, 4, 5, 6, 7, 8, 9]}]]], {}, [], '', ~, \"\\r\\t \\u2028\\u0085\"]");
  written_again(
      "[yes, 'true', '1', 1.5e3, -.5, '0x1f', 'null', ' a', 'a ', '- a', 'a: b', 'a #b', \"\\\\\\\"\"]");
  CHECK(written_again("a: {b: [1, two, 'th ree']}") == "a:\n  b: [1, two, \"th ree\"]\n");
}

TEST_CASE("numbers that YAML writes in its own way are written as JSON does") {
  Problems problems;
  const auto node = parse_yaml("[01, .5, 5., +1, -.5, -007.250, 1e5, 0, 0.0, 1.e3]\n", "t.yaml", problems);
  REQUIRE(node != nullptr);
  CHECK(to_json(*node) == "[1,0.5,5.0,1,-0.5,-7.250,1e5,0,0.0,1.0e3]");
}

TEST_CASE("what others read as a number is not taken for text without quotes") {
  for (const char* number : {"0x10", "-0xFF", "0o17", ".inf", "-.INF", ".nan"}) {
    CAPTURE(number);
    CHECK(refusal_of("a: " + std::string(number) + "\n").find("is a number to others") != std::string::npos);
    CHECK(refusal_of("a: \"" + std::string(number) + "\"\n").empty());
  }
  for (const char* text : {"0x", "0xg1", "0o8", ".info", "x0x10"})
    CHECK(refusal_of("a: " + std::string(text) + "\n").empty());
}
