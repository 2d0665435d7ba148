// JSON of strangers, and what schemas and parameters make of it.
#include "tests/cost/gate.h"
#include "tests/cost/input.h"

namespace sallyport::cost {
namespace {

std::shared_ptr<Gate> checks(const std::string& schema) {
  return std::make_shared<Gate>(
      Gate::one_route("    authenticate: public\n    validate: { body: { schema: s.json } }\n"),
      std::map<std::string, std::string>{{"s.json", schema}});
}

void add_documents(Inputs& inputs) {
  const auto any = checks("{}");
  const auto document = [&](const char* name, size_t size, int as_meant, const std::string& begin,
                            const std::string& piece, const std::string& end) {
    inputs.push_back(
        asked(name, size, any, as_meant, [=](size_t n) { return post(begin + numbered(n, piece) + end); }));
  };
  document("JSON: numbers", 40'000, 204, "[", "1,", "1]");
  document("JSON: numbers of many digits", 3'000, 204, "[",
           "1234567.12345678901234567890123456789012345678901234567,", "1]");
  document("JSON: numbers with exponents", 10'000, 204, "[", "1.7976931348623157e308,", "1]");
  document("JSON: one number of many digits", 40'000, 204, "0.", "7", "1");
  document("JSON: a long text", 100'000, 204, "\"", "a", "\"");
  document("JSON: escapes", 40'000, 204, "\"", "\\u00e9", "\"");
  document("JSON: members", 10'000, 204, "{", "\"#\":1,", "\"z\":1}");
  document("JSON: members of one length that begin alike", 3'000, 204, "{",
           "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa#\":1,", "\"z\":1}");
  document("JSON: a member that is there twice, at the end", 10'000, 400, "{", "\"#\":1,", "\"100000\":1}");
  document("JSON: objects", 20'000, 204, "[", "{\"a\":1},", "{}]");
  document("JSON: arrays within an array", 40'000, 204, "[", "[],", "[]]");
  document("JSON: too deep", 40'000, 400, "", "[", "");
  document("JSON: blanks", 100'000, 204, "[", " ", "]");
  inputs.push_back(asked("JSON: as deep as it may be", 30, any, 204, [](size_t n) {
    return post("[" + times(1000, times(n, "[") + times(n, "]") + ",") + "1]");
  }));
}

void add_schemas(Inputs& inputs) {
  const auto check = [&](const char* name, size_t size, int as_meant, const std::string& schema,
                         std::function<std::string(size_t)> document) {
    inputs.push_back(
        asked(name, size, checks(schema), as_meant, [document](size_t n) { return post(document(n)); }));
  };
  check("schema: uniqueItems over numbers", 1'000, 204, R"({"uniqueItems":true})",
        [](size_t n) { return "[" + numbered(n, "#,") + "1]"; });
  std::string members;
  for (int i = 0; i < 80; ++i) members += "\"a" + std::to_string(i) + "\":1,";
  check("schema: uniqueItems over objects", 40, 204, R"({"uniqueItems":true})",
        [members](size_t n) { return "[" + numbered(n, "{" + members + "\"z\":#},") + "1]"; });
  check("schema: uniqueItems over texts that begin alike", 500, 204, R"({"uniqueItems":true})",
        [](size_t n) { return "[" + numbered(n, "\"" + std::string(90, 'a') + "#\",") + "1]"; });
  check("schema: a pattern", 50'000, 400, R"({"type":"string","pattern":"^(a+)+$"})",
        [](size_t n) { return "\"" + std::string(n, 'a') + "!\""; });
  std::string spread;  // so that a pattern has to keep in mind where each x stood
  for (unsigned i = 0, seed = 1; i < 101; ++i, seed = seed * 1103515245 + 12345)
    spread += seed >> 16 & 1 ? 'x' : 'z';
  check("schema: a pattern without end of states", 500, 400, R"({"type":"string","pattern":"x.{8,20}y"})",
        [spread](size_t n) { return "\"" + times(n, spread) + "\""; });
  check("schema: a pattern of many states over short texts", 500, 400,
        R"({"items":{"type":"string","pattern":"^[ab]*a[ab]{30}c$"}})", [](size_t n) {
          return "[" + numbered(n, "\"abbabaaabbababbbaababbabaaabbabababbabaaabb#\",") + "1]";
        });
  check("schema: lengths in characters", 50'000, 204, R"({"type":"string","maxLength":1000000})",
        [](size_t n) { return "\"" + times(n, "\xc3\xa9") + "\""; });
  std::string values;
  for (int i = 0; i < 500; ++i) values += "\"v" + std::to_string(i) + "\",";
  check("schema: a long enum", 2'000, 204, R"({"items":{"enum":[)" + values + "\"z\"]}}",
        [](size_t n) { return "[" + times(n, "\"z\",") + "\"z\"]"; });
  check(
      "schema: oneOf that is decided late", 500, 204,
      R"({"items":{"oneOf":[{"type":"array","items":{"type":"integer"}},{"type":"array","items":{"type":["integer","string"]}}]}})",
      [](size_t n) { return "[" + times(n, "[1,1,1,1,1,1,1,1,\"a\"],") + "[\"a\"]]"; });
  check(
      "schema: a oneOf in itself, with a text inside", 6, 400,
      R"({"$defs":{"n":{"oneOf":[{"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"required":["a","x"]},)"
      R"({"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"required":["a"]},{"type":"string","pattern":"^a*$"}]}},)"
      R"("$ref":"#/$defs/n"})",
      [](size_t n) { return times(n, "{\"a\":") + "\"" + std::string(500, 'a') + "!\"" + times(n, "}"); });
  check("schema: patternProperties", 2'000, 204, R"({"patternProperties":{"^a":{},"b$":{},"c.*d":{}}})",
        [](size_t n) { return "{" + numbered(n, "\"acccccccccc#\":1,") + "\"z\":1}"; });
  check("schema: members that it does not know", 5'000, 400,
        R"({"properties":{"a":{}},"additionalProperties":false})",
        [](size_t n) { return "{" + numbered(n, "\"x#\":1,") + "\"z\":1}"; });
  check("problem document: long pointers", 5'000, 400, R"({"additionalProperties":{"type":"string"}})",
        [](size_t n) { return "{" + numbered(10, "\"" + std::string(n, '/') + "#\":1,") + "\"z\":\"\"}"; });
}

void add_parameters(Inputs& inputs) {
  std::string known;
  for (int i = 0; i < 300; ++i) known += "p" + std::to_string(100'000 + i) + ": { type: string }, ";
  const auto gate = std::make_shared<Gate>(Gate::one_route(
      "    authenticate: public\n    validate: { query: { " + known + " z: { type: string } } }\n"));
  inputs.push_back(asked("query: many parameters of many", 120, gate, 204,
                         [](size_t n) { return get("/x?" + numbered(n, "p#=v&")); }));
  inputs.push_back(asked("query: one that is there many times", 120, gate, 400,
                         [](size_t n) { return get("/x?" + times(n, "z=v&")); }));
  inputs.push_back(asked("query: more than there may be", 1'500, gate, 400,
                         [](size_t n) { return get("/x?" + times(n, "z&")); }));
  inputs.push_back(asked("query: nothing between the ampersands", 3'500, gate, 204,
                         [](size_t n) { return get("/x?" + times(n, "&")); }));
  inputs.push_back(asked("query: a value in escapes", 1'200, gate, 204,
                         [](size_t n) { return get("/x?z=" + times(n, "%61")); }));
}

}  // namespace

void add_json(Inputs& inputs) {
  add_documents(inputs);
  add_schemas(inputs);
  add_parameters(inputs);
}

}  // namespace sallyport::cost
