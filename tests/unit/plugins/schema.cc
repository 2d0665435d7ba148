#include "plugins/validate/schema.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>

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
  Meter meter = Meter::of_bytes(document.size());
  const bool good = compiled->check(*value, meter, &violations);
  if (meter.exhausted()) return good ? "passed without an end" : "work";
  Meter again = Meter::of_bytes(document.size());
  CHECK(good == compiled->check(*value, again, nullptr));
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
  CHECK(
      check(R"({"format":"email"})", "1").find("\"format\" is not supported; those that are: $schema, $id") !=
      std::string::npos);
  CHECK(check(R"({"type":"string","required":["a"],"additionalProperties":false})", R"("a")") == "ok");
  CHECK(check(R"({"$defs":{"a%25b":{"type":"string"},"a%b":{"type":"integer"}},"$ref":"#/$defs/a%25b"})",
              "5") == "ok");
  CHECK(check(R"({"$defs":{"Page[Item]":{"type":"integer"}},"$ref":"#/$defs/Page%5BItem%5D"})", "5") == "ok");
  CHECK(check(R"({"$defs":{"a%b":{"type":"integer"}},"$ref":"#/$defs/a%b"})", "5") == "ok");
  CHECK(check(R"({"properties":{"item":{}},"required":["itme"],"additionalProperties":false})", "1")
            .find("no object passes: \"itme\" must be there") != std::string::npos);
  CHECK(check(R"({"properties":{"a":{}},"required":["a"],"additionalProperties":false})", R"({"a":1})") ==
        "ok");
  CHECK(check(R"({"patternProperties":{"^i":{}},"required":["itme"],"additionalProperties":false})",
              R"({"itme":1})") == "ok");
  CHECK(check(R"({"propertys":{}})", "1").find("did you mean \"properties\"?") != std::string::npos);
  CHECK(check(R"({"$ref":"#/x"})", "1").starts_with("load: "));
  CHECK(check(R"({"$ref":"http://x"})", "1").starts_with("load: "));
  CHECK(check(R"({"allOf":[{"$ref":"#"}]})", "1").find("comes back to itself") != std::string::npos);
  CHECK(check(R"({"type":"text"})", "1").starts_with("load: "));
  for (const std::string size : {"minItems", "maxItems", "minProperties", "maxProperties"}) {
    CHECK(check("{\"" + size + "\":16777215}", "1")
              .starts_with("load: "));  // what has more looks as if it had that
    CHECK(check("{\"" + size + "\":16777214}", "1") == "ok");
  }
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

TEST_CASE("equal is what has the same value, however it is written, in whatever order") {
  const std::string unique = R"({"uniqueItems":true})";
  for (const char* twice :
       {R"([1,1.0])", R"([0,-0.0])", R"([1e2,100])", R"([[1,2],[3],[1.0,2]])", R"(["a","b","\u0061"])",
        R"([{"a":1,"b":[{}]},{"b":[{}],"a":1.0}])", R"([null,null])", R"([true,false,true])",
        R"([18446744073709551615,18446744073709551615])", R"([0.1,1e-1])"}) {
    CAPTURE(twice);
    CHECK(check(unique, twice) == " uniqueItems");
  }
  for (const char* once :
       {R"([])", R"([1])", R"([1,"1",true,null,[1],{"a":1},[],{},"",0,false])", R"([-1,1])",
        R"([[1,2],[2,1]])", R"([[[1],2],[1,[2]]])", R"([{"a":1,"b":2},{"a":2,"b":1}])",
        R"([{"ab":1},{"a":"b1"}])", R"([18446744073709551615,18446744073709551614])",
        R"([9007199254740993,9007199254740992.0])", R"([0.5,0.25])"}) {
    CAPTURE(once);
    CHECK(check(unique, once) == "ok");
  }
}

TEST_CASE("an enum of many values and a list of many required names decide as few do") {
  std::string values, names, members;
  for (int i = 0; i < 300; ++i) {
    values += fmt::format("{}\"v{}\",{}", i == 0 ? "" : ",", i, i);
    names += fmt::format("{}\"n{}\"", i == 0 ? "" : ",", i);
    members += fmt::format("{}\"n{}\":1", i == 0 ? "" : ",", i);
  }
  const std::string listed = R"({"enum":[)" + values + R"(,[1],null]})";
  for (const char* good : {"\"v299\"", "299", "7.0", "[1.0]", "null"}) CHECK(check(listed, good) == "ok");
  for (const char* bad : {"\"v300\"", "300", "7.5", "[2]", "true", "{}"})
    CHECK(check(listed, bad) == " enum");
  const std::string required = R"({"required":[)" + names + "]}";
  CHECK(check(required, "{" + members + "}") == "ok");
  CHECK(check(required, "{" + members.substr(7) + "}") == " required");
  CHECK(check(required, "{}") == " required");
}

namespace {

// The steps that a check of the document takes.
uint64_t steps(const std::string& schema, const std::string& document) {
  config::Problems problems;
  const auto node = config::parse_json(schema, "s.json", problems);
  const auto compiled = Schema::compile(*node, problems);
  json::Parser parser(64 << 20, 64);
  const auto value = parser.parse(document);
  REQUIRE(value);
  Meter meter = Meter::of_bytes(document.size());
  const uint64_t all = meter.left();
  compiled->check(*value, meter, nullptr);
  CHECK_FALSE(meter.exhausted());
  return all - meter.left();
}

std::string list_of(size_t count, const std::function<std::string(size_t)>& item) {
  std::string out = "[";
  for (size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + item(i);
  return out + "]";
}

// Objects of 81 members that differ in the last one, and whose members stand in another order each time.
std::string late_object(size_t i) {
  std::string out = "{";
  for (size_t m = 0; m < 80; ++m) out += fmt::format("\"{}\":{},", (m + i) % 80, 1);
  return out + fmt::format("\"last\":{}}}", i);
}

}  // namespace

TEST_CASE("the work is linear in the document, and ordinary documents are far from its end") {
  struct Input {
    const char* name;
    std::string schema;
    std::function<std::string(size_t)> document;
  };
  const std::string late =
      R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["k"],"properties":{"k":{},
      "c":{"oneOf":[{"$ref":"#/$defs/n"},{"type":"object","required":["z"],"properties":{"c":{"$ref":"#/$defs/n/properties/c"}}}]},
      "s":{"type":"string","pattern":"^a*$","minLength":3}}}}})";
  const Input inputs[] = {
      {"objects that differ late", R"({"uniqueItems":true})",
       [](size_t n) { return list_of(n / 16, late_object); }},
      {"long strings that differ late", R"({"uniqueItems":true})",
       [](size_t n) {
         return list_of(n / 16,
                        [](size_t i) { return "\"" + std::string(1000, 'a') + std::to_string(i) + "\""; });
       }},
      {"numbers", R"({"uniqueItems":true})",
       [](size_t n) { return list_of(n, [](size_t i) { return std::to_string(i); }); }},
      {"lists within lists, each unique",
       R"({"$ref":"#/$defs/l","$defs":{"l":{"uniqueItems":true,"items":{"$ref":"#/$defs/l"}}}})",
       [](size_t n) {
         return list_of(
             n, [](size_t i) { return "[" + std::to_string(i) + ",[[[" + std::to_string(i) + "]]]]"; });
       }},
      {"alternatives that decide late, twenty levels deep", late,
       [](size_t n) {
         std::string out = "{\"k\":1,\"s\":\"" + std::string(n, 'a') + "\"}";
         for (int level = 0; level < 20; ++level)
           out = "{\"c\":" + out + ",\"k\":1,\"s\":\"" + std::string(n / 20 + 3, 'a') + "\"}";
         return out;
       }},
      {"many members against many required names",
       R"({"required":["a","b","c","d"],"patternProperties":{"9$":true}})",
       [](size_t n) {
         std::string out = R"({"a":1,"b":1,"c":1,"d":1)";
         for (size_t i = 0; i < n; ++i) out += fmt::format(",\"{}\":1", i);
         return out + "}";
       }},
  };
  for (const Input& input : inputs) {
    CAPTURE(input.name);
    const uint64_t once = steps(input.schema, input.document(2000)),
                   twice = steps(input.schema, input.document(4000));
    CHECK(static_cast<double>(twice) <= 2.2 * static_cast<double>(once));
  }
}

TEST_CASE("work without end is refused, also where a refusal would be turned into a pass") {
  std::string all, references;
  for (int i = 0; i < 200; ++i) all += R"({"type":"array"},)";
  const std::string document = list_of(5000, [](size_t) { return "[]"; });
  CHECK(check(R"({"items":{"allOf":[)" + all + "true]}}", document) == "work");
  const std::string last = R"({"items":{"allOf":[)" + all + R"({"maxItems":0}]}})";
  const std::string broken = document.substr(0, document.size() - 1) + ",[1]]";
  for (const char* form : {R"({"not":%})", R"({"oneOf":[%,true]})", R"({"not":{"anyOf":[%]}})",
                           R"({"not":{"not":{"not":%}}})"}) {
    CAPTURE(form);
    std::string schema = form;
    schema.replace(schema.find('%'), 1, last);
    CHECK(check(schema, broken) == "work");
  }
  // Deeper than any document, by references from one to the next.
  for (int i = 0; i < 9; ++i) references += fmt::format(R"("a{}":{{"$ref":"#/$defs/a{}"}},)", i, i + 1);
  CHECK(check(R"({"not":{"$ref":"#/$defs/a0"},"$defs":{)" + references +
                  R"("a9":{"items":{"$ref":"#/$defs/a0"}}}})",
              std::string(60, '[') + std::string(60, ']')) == "work");
}

TEST_CASE("alternatives that go through a long list again and again look at it once") {
  const std::string schema =
      R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["k"],"properties":{
    "k":{},"c":{"anyOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]},
    "l":{"type":"array","items":{"type":"string"}}}}}})";
  std::string document = R"({"l":)" + list_of(10'000, [](size_t) { return "\"\""; }) + "}";
  for (int level = 0; level < 25; ++level) document = R"({"k":1,"c":)" + document + "}";
  CHECK(check(schema, document) == "/c anyOf");
}

TEST_CASE("numbers of schemas are those that requests have, and multiples are exact or none") {
  const Case cases[] = {
      {R"({"not":{"const":0.1}})", "0.1", " not"},
      {R"({"enum":[0.3,0.1]})", "0.1", "ok"},
      {R"({"exclusiveMinimum":0.1})", "0.1", " exclusiveMinimum"},
      {R"({"exclusiveMaximum":0.3})", "0.3", " exclusiveMaximum"},
      {R"({"maximum":0.1})", "0.1", "ok"},
      {R"({"minimum":0.3})", "0.3", "ok"},
      {R"({"maximum":18446744073709551614})", "18446744073709551615", " maximum"},
      {R"({"multipleOf":2})", "1000000000001", " multipleOf"},
      {R"({"multipleOf":2})", "9007199254740991", " multipleOf"},
      {R"({"multipleOf":3})", "18446744073709551615", "ok"},
      {R"({"multipleOf":0.01})", "5000000000.005", " multipleOf"},
      {R"({"multipleOf":0.01})", "1234567890.001", " multipleOf"},
      {R"({"multipleOf":0.01})", "1234567890.01", "ok"},
      {R"({"multipleOf":0.01})", "123456789012.345", " multipleOf"},
      {R"({"multipleOf":0.1})", "0.3", "ok"},
      {R"({"multipleOf":0.1})", "1234567.7", "ok"},
      {R"({"multipleOf":0.01})", "19.99", "ok"},
      {R"({"multipleOf":0.01})", "-0.07", "ok"},
      {R"({"multipleOf":0.01})", "1e-18", " multipleOf"},
      {R"({"multipleOf":0.01})", "0", "ok"},
      {R"({"multipleOf":1})", "1e-16", " multipleOf"},
      {R"({"multipleOf":1})", "1.0000000000000002", " multipleOf"},
      {R"({"multipleOf":1})", "3.0000000000000013", " multipleOf"},
      {R"({"multipleOf":1})", "100.00000000000001", " multipleOf"},
      {R"({"multipleOf":1})", "1e300", "ok"},
      {R"({"multipleOf":2})", "1e-16", " multipleOf"},
      {R"({"multipleOf":2})", "2.0000000000000004", " multipleOf"},
      {R"({"multipleOf":0.5})", "9007199254740992", "ok"},
      {R"({"multipleOf":0.5})", "2.5000000000000004", " multipleOf"},
      {R"({"multipleOf":0.01})", "1000000000000", "ok"},
      {R"({"multipleOf":0.01})", "25000000000000", "ok"},
      {R"({"multipleOf":0.01})", "18446744073709551615", "ok"},
      {R"({"multipleOf":0.01})", "1e300", "ok"},
      {R"({"multipleOf":0.01})", "999999999999.99", "ok"},
      {R"({"multipleOf":0.01})", "-999999999999.99", "ok"},
      {R"({"multipleOf":0.01})", "999999999999.995", " multipleOf"},
      {R"({"multipleOf":0.1})", "10000000000000", "ok"},
      {R"({"multipleOf":0.1})", "0.30000000000000004", " multipleOf"},
      {R"({"multipleOf":0.03})", "10000000000000", " multipleOf"},
      {R"({"multipleOf":0.03})", "30000000000000", "ok"},
      {R"({"multipleOf":0.03})", "999999999999.99", "ok"},
      {R"({"multipleOf":0.03})", "999999999999.98", " multipleOf"},
      {R"({"multipleOf":1e-2})", "999999999999.99", "ok"},
      {R"({"multipleOf":2.5E1})", "75", "ok"},
      {R"({"multipleOf":2.5E1})", "30", " multipleOf"},
      {R"({"multipleOf":1e2})", "300", "ok"},
      {R"({"multipleOf":1e2})", "350", " multipleOf"},
      {R"({"multipleOf":1e-20})", "0.00000000000000000002", "ok"},
      {R"({"multipleOf":0.30000000000000004})", "0.30000000000000004", "ok"},
      {R"({"multipleOf":1e-10})", "0.3", "ok"},
      {R"({"multipleOf":1e-20})", "12.5", " multipleOf"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.schema);
    CAPTURE(c.document);
    CHECK(check(c.schema, c.document) == c.result);
  }
}

TEST_CASE("an $id names the document, and no part of it: a $ref there would lead into another document") {
  CHECK(check(R"({"$id":"urn:a","type":"integer"})", "1") == "ok");
  CHECK(check(R"({"$id":"urn:a","$defs":{"b":{"$ref":"#"}}})", "1") == "ok");
  CHECK(check(R"({"properties":{"$id":{"type":"string"}}})", R"({"$id":"x"})") == "ok");
  CHECK(check(R"({"$ref":"#/$defs/b","$defs":{"b":{"$id":"urn:b","type":"integer"}}})", "1")
            .contains("s.json:1:41: schema: $id can stand at the root only"));
  for (const char* keyword :
       {"$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor"}) {
    CAPTURE(keyword);
    CHECK(check(fmt::format(R"({{"{}":"a"}})", keyword), "1").contains("is not supported"));
  }
}

TEST_CASE("propertyNames says what is looked at, and nothing else") {
  CHECK(check(R"({"propertyNames":{"type":"string","pattern":"^[a-z]+$"}})", R"({"B":1})") ==
        "/B propertyNames");
  CHECK(check(R"({"propertyNames":{"enum":["a"]}})", R"({"a":1})") == "ok");
  for (const char* names : {R"({"not":{"enum":["admin"]}})", R"({"$ref":"#/$defs/n"})",
                            R"({"type":"integer"})", R"({"allOf":[{"maxLength":1}]})"}) {
    CAPTURE(names);
    const std::string schema =
        std::string(R"({"$defs":{"n":{"pattern":"^[a-z]+$"}},"propertyNames":)") + names + "}";
    CHECK(check(schema, "{}").contains("propertyNames can say"));
  }
}

TEST_CASE("bounds that no value is between are refused") {
  CHECK(check(R"({"minimum":5,"maximum":3})", "4")
            .contains(
                "s.json:1:24: schema: no value passes minimum and maximum at once: one of them is wrong"));
  for (const char* bounds : {R"("minimum":3,"exclusiveMaximum":3)", R"("exclusiveMinimum":3,"maximum":3)",
                             R"("exclusiveMinimum":3,"exclusiveMaximum":3)", R"("minLength":2,"maxLength":1)",
                             R"("minItems":2,"maxItems":1)", R"("minProperties":2,"maxProperties":1)"}) {
    CAPTURE(bounds);
    CHECK(check("{\"items\":{" + std::string(bounds) + "}}", "[]").contains("no value passes"));
  }
  CHECK(check(R"({"minimum":3,"maximum":3,"exclusiveMinimum":2.5,"exclusiveMaximum":3.5})", "3") == "ok");
  CHECK(check(R"({"minLength":2,"maxLength":2,"minItems":0,"maxItems":0})", "\"ab\"") == "ok");
}
