#include "gateway/config/route_pattern.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;
using namespace sallyport::config;
using Kind = Segment::Kind;

namespace {

PathPattern parsed(std::string_view text) {
  auto pattern = PathPattern::parse(text);
  REQUIRE_MESSAGE(pattern.has_value(), text);
  return *pattern;
}

bool refused(std::string_view text, std::string_view part) {
  auto pattern = PathPattern::parse(text);
  if (pattern) return false;
  INFO(pattern.error().detail);
  CHECK(pattern.error().code == Code::invalid_data);
  const bool told = pattern.error().detail.find(part) != std::string::npos;
  CHECK(told);
  return told;
}

}  // namespace

TEST_CASE("a pattern is literals, then {names}, then perhaps {rest...}") {
  const PathPattern p = parsed("/v1/orders/{id}/files/{path...}");
  CHECK(p.text == "/v1/orders/{id}/files/{path...}");
  CHECK_FALSE(p.trailing_slash);
  CHECK(p.segments == std::vector<Segment>{{Kind::literal, "v1"},
                                           {Kind::literal, "orders"},
                                           {Kind::param, "id"},
                                           {Kind::literal, "files"},
                                           {Kind::rest, "path"}});
}

TEST_CASE("the root, and a trailing slash that makes another path") {
  CHECK(parsed("/").segments.empty());
  CHECK_FALSE(parsed("/").trailing_slash);
  CHECK(parsed("/orders/").segments.size() == 1);
  CHECK(parsed("/orders/").trailing_slash);
  CHECK_FALSE(parsed("/orders").trailing_slash);
  CHECK(parsed("/{id}/").trailing_slash);
  CHECK(parsed("/{rest...}").segments == std::vector<Segment>{{Kind::rest, "rest"}});
}

TEST_CASE("literals stand as in a canonical path: UTF-8 is encoded") {
  CHECK(parsed("/a-b._~/x:y@z/a;b=c,d/$1!'()*+").segments[1].text == "x:y@z");
  CHECK(parsed("/b\xc3\xbc"
               "cher")
            .segments[0]
            .text == "b%C3%BCcher");
}

TEST_CASE("what is no pattern") {
  CHECK(refused("", "begins with"));
  CHECK(refused("orders", "begins with"));
  CHECK(refused("//", "empty segment"));
  CHECK(refused("/a//b", "empty segment"));
  CHECK(refused("/a//", "empty segment"));
  CHECK(refused("/.", "dot segment"));
  CHECK(refused("/a/../b", "dot segment"));
  CHECK(refused("/a%20b", "without percent escapes"));
  CHECK(refused("/a?b=c", "a query (\"?\") cannot stand there"));
  CHECK(refused("/a#b", "a fragment (\"#\") cannot stand there"));
  CHECK(refused("/v1/{id}?x=1", "a query (\"?\") cannot stand there"));
  CHECK(refused("/v1/{id}/?x={id}", "a query"));
  CHECK(refused("/v1/{id?}", "a name is made of letters"));
  CHECK(refused("/a b", "cannot stand"));
  CHECK(refused("/a\\b", "cannot stand"));
  CHECK(refused(std::string_view("/a\0b", 4), "cannot stand"));
  CHECK(refused("/a\x7f", "cannot stand"));
  CHECK(refused("/a|b", "cannot stand"));
  CHECK(refused("/\xff", "UTF-8"));
  CHECK(refused("/files/*", "no wildcard"));
}

TEST_CASE("what is wrong with {names}") {
  CHECK(refused("/a{id}", "a whole segment"));
  CHECK(refused("/{id}b", "a whole segment"));
  CHECK(refused("/{a}{b}", "a name is made of"));
  CHECK(refused("/{a", "a whole segment"));
  CHECK(refused("/a}", "a whole segment"));
  CHECK(refused("/{", "a whole segment"));
  CHECK(refused("/{}", "a name is made of"));
  CHECK(refused("/{...}", "a name is made of"));
  CHECK(refused("/{a-b}", "a name is made of"));
  CHECK(refused("/{1a}", "a name is made of"));
  CHECK(refused("/{a.}", "a name is made of"));
  CHECK(refused("/{a...}/b", "must be the last"));
  CHECK(refused("/{a...}/", "a last \"/\" too"));
  CHECK(refused("/{a}/{a}", "there twice"));
  CHECK(refused("/{a}/{a...}", "there twice"));
  CHECK(parsed("/{_a1}").segments[0].text == "_a1");
}

TEST_CASE("a pattern has limits") {
  std::string params, segments;
  for (int i = 0; i < 16; ++i) params += "/{p" + std::to_string(i) + "}";
  CHECK(parsed(params).segments.size() == 16);
  CHECK(refused(params + "/{one_more}", "more than 16"));
  for (int i = 0; i < 64; ++i) segments += "/a";
  CHECK(parsed(segments).segments.size() == 64);
  CHECK(refused(segments + "/a", "more than 64 segments"));
  CHECK(refused("/" + std::string(2048, 'a'), "longer than 2048"));
}

TEST_CASE("patterns of one shape match the same paths, whatever their names") {
  CHECK(parsed("/orders/{id}").shape() == parsed("/orders/{number}").shape());
  CHECK(parsed("/{a...}").shape() == parsed("/{b...}").shape());
  CHECK(parsed("/{a...}").shape() != parsed("/{a}").shape());
  CHECK(parsed("/orders").shape() != parsed("/orders/").shape());
  CHECK(parsed("/").shape() != parsed("/{a}").shape());
  CHECK(parsed("/a/{b}").shape() != parsed("/{b}/a").shape());
}
