#include "plugins/validate/schema.h"

#include <doctest/doctest.h>

#include "gateway/config/yaml.h"

using namespace sallyport;

namespace {

// "ok", or the first violation as "pointer keyword"; "load: …" if the schema is refused.
std::string check(const std::string& schema, const std::string& document) {
  config::Problems problems;
  const auto node = config::parse_json(schema, "s.json", problems);
  const auto compiled = node == nullptr ? nullptr : Schema::compile(*node, problems);
  if (compiled == nullptr) return "load: " + problems.text();
  json::Parser parser(1 << 20, 64);
  const auto value = parser.parse(document);
  if (!value) return std::string(value.error().reason);
  std::vector<Violation> violations;
  const bool good = compiled->check(*value, &violations);
  CHECK(good == compiled->check(*value, nullptr));
  if (good) return "ok";
  return violations.front().pointer + " " + violations.front().keyword;
}

struct Case {
  const char* schema;
  const char* document;
  const char* result;
};

}  // namespace

TEST_CASE("every keyword, met and not met") {
  const Case cases[] = {
      {"true", "1", "ok"},
      {"false", "1", " false"},
      {R"({"type":"integer"})", "1.0", "ok"},
      {R"({"type":"integer"})", "1.5", " type"},
      {R"({"type":["string","null"]})", "null", "ok"},
      {R"({"type":"number"})", "\"1\"", " type"},
      {R"({"enum":[1,"a",{"b":[2]}]})", R"({"b":[2.0]})", "ok"},
      {R"({"enum":[1,"a"]})", "true", " enum"},
      {R"({"const":18446744073709551615})", "18446744073709551615", "ok"},
      {R"({"const":18446744073709551615})", "18446744073709551614", " enum"},
      {R"({"minimum":3})", "3", "ok"},
      {R"({"exclusiveMinimum":3})", "3", " exclusiveMinimum"},
      {R"({"maximum":3})", "3.1", " maximum"},
      {R"({"exclusiveMaximum":3})", "2.9", "ok"},
      {R"({"minimum":3})", "\"a\"", "ok"},
      {R"({"multipleOf":0.1})", "0.3", "ok"},
      {R"({"multipleOf":2})", "3", " multipleOf"},
      {R"({"minLength":2})", "\"\u00e9\"", " minLength"},
      {R"({"maxLength":1})", "\"\u00e9\"", "ok"},
      {R"({"pattern":"^a"})", "\"ba\"", " pattern"},
      {R"({"required":["a"]})", "{}", " required"},
      {R"({"properties":{"a~/b":{"type":"string"}}})", R"({"a~/b":1})", "/a~0~1b type"},
      {R"({"properties":{"a":true},"additionalProperties":false})", R"({"b":1})", "/b additionalProperties"},
      {R"({"patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false})", R"({"x1":1})",
       "ok"},
      {R"({"patternProperties":{"^x":{"type":"integer"}}})", R"({"x1":"a"})", "/x1 type"},
      {R"({"propertyNames":{"maxLength":2}})", R"({"abc":1})", "/abc propertyNames"},
      {R"({"minProperties":1})", "{}", " minProperties"},
      {R"({"items":{"type":"integer"}})", R"([1,"a"])", "/1 type"},
      {R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"}})", R"(["a",1])", "ok"},
      {R"({"maxItems":1})", "[1,2]", " maxItems"},
      {R"({"uniqueItems":true})", R"([1,{"a":1},{"a":1.0}])", " uniqueItems"},
      {R"({"allOf":[{"minimum":1},{"maximum":3}]})", "4", " maximum"},
      {R"({"anyOf":[{"type":"string"},{"minimum":3}]})", "1", " anyOf"},
      {R"({"oneOf":[{"minimum":1},{"maximum":3}]})", "2", " oneOf"},
      {R"({"oneOf":[{"minimum":1},{"maximum":3}]})", "4", "ok"},
      {R"({"not":{"type":"string"}})", "\"a\"", " not"},
      {R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}}})", "\"a\"", " type"},
      {R"({"properties":{"next":{"$ref":"#"}},"additionalProperties":false})", R"({"next":{"next":{"x":1}}})",
       "/next/next/x additionalProperties"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.schema);
    CAPTURE(c.document);
    CHECK(check(c.schema, c.document) == c.result);
  }
}

TEST_CASE("what is not understood is an error at load, with its place") {
  CHECK(check(R"({"format":"email"})", "1")
            .find("s.json:1:2: schema: the keyword \"format\" is not supported") != std::string::npos);
  CHECK(check(R"({"propertys":{}})", "1").find("did you mean \"properties\"?") != std::string::npos);
  CHECK(check(R"({"$ref":"#/x"})", "1").starts_with("load: "));
  CHECK(check(R"({"$ref":"http://x"})", "1").starts_with("load: "));
  CHECK(check(R"({"allOf":[{"$ref":"#"}]})", "1").find("comes back to itself") != std::string::npos);
  CHECK(check(R"({"type":"text"})", "1").starts_with("load: "));
  CHECK(check(R"({"pattern":"("})", "1").starts_with("load: "));
}

TEST_CASE("JSON is read strictly") {
  CHECK(check("true", R"({"a":1,"\u0061":2})") == "duplicate_member");
  CHECK(check("true", "\"\xff\"") == "not_utf8");
  CHECK(check("true", std::string(100, '[') + std::string(100, ']')) == "too_deep");
  CHECK(check("true", "123456789012345678901234567890") == "bad_number");
  CHECK(check("true", "1 2") == "malformed_json");
  CHECK(check("true", "") == "malformed_json");
}

TEST_CASE("alternatives that go through a long list again and again are refused, not waited for") {
  const std::string schema =
      R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["k"],"properties":{
    "k":{},"c":{"anyOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]},
    "l":{"type":"array","items":{"type":"string"}}}}}})";
  std::string list = R"({"l":[""])";
  list.pop_back();
  for (int i = 0; i < 10'000; ++i) list += R"(,"")";
  std::string document = list + "]}";
  for (int level = 0; level < 25; ++level) document = R"({"k":1,"c":)" + document + "}";
  CHECK(check(schema, document).ends_with(" $ref"));
}
