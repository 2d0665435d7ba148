#include "plugins/validate/parameter_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/text.h"
#include "gateway/http/headers.h"

namespace sallyport {
namespace {

using config::Node;

bool is_number(const Node& node) noexcept {
  return node.kind == Node::Kind::integer || node.kind == Node::Kind::number;
}

// The types that a schema names; none: any.
std::vector<std::string_view> types_of(const Node& schema) {
  std::vector<std::string_view> types;
  const Node* type = schema.find("type");
  if (type != nullptr && type->is_scalar()) types.emplace_back(type->text);
  if (type != nullptr) {
    for (const Node& one : type->items) types.emplace_back(one.text);
  }
  return types;
}

bool names(const std::vector<std::string_view>& types, std::string_view type) noexcept {
  return std::ranges::find(types, type) != types.end();
}

// True if a value of the request can be read as what an enum or a const has there.
bool can_be(const Node& value, const std::vector<std::string_view>& types) noexcept {
  if (types.empty() || names(types, "string")) return value.kind == Node::Kind::string;
  if (is_number(value)) return names(types, "number") || names(types, "integer");
  if (value.kind == Node::Kind::boolean) return names(types, "boolean");
  return value.kind != Node::Kind::string;
}

void check_value(config::Reader& reader, const Node& value, const std::vector<std::string_view>& types) {
  if (can_be(value, types)) return;
  const bool text = types.empty() || names(types, "string");
  reader.error_at(value.mark,
                  fmt::format("{}: no value is ever equal to this: a parameter of {} is read as {}; {}",
                              text::printable(reader.path()), text ? "this schema" : "these types",
                              text ? "text" : "what its type says",
                              text ? "put it between quotes, or say type: integer, number or boolean"
                                   : "write the values as that type has them"));
}

// The keywords of numbers say nothing of text (JSON Schema Validation, section 6.2).
void check_numbers(config::Reader& reader, const Node& schema, const std::vector<std::string_view>& types) {
  constexpr std::array<std::string_view, 5> keywords = {"minimum", "maximum", "exclusiveMinimum",
                                                        "exclusiveMaximum", "multipleOf"};
  if (!types.empty() && !names(types, "string")) return;
  for (std::string_view keyword : keywords) {
    if (const Node* found = schema.find(keyword)) {
      reader.error_at(
          found->mark,
          fmt::format("{}: {} says nothing here, as a parameter is read as text unless its schema "
                      "says type: integer or number",
                      text::printable(reader.path()), keyword));
    }
  }
}

// A value of a query, a path or a header is one scalar to every backend, whatever brackets it has.
void check_types(config::Reader& reader, const Node& schema, const std::vector<std::string_view>& types) {
  for (const std::string_view type : {"array", "object"}) {
    if (!names(types, type)) continue;
    reader.error_at(
        schema.find("type")->mark,
        fmt::format("{}: no parameter is ever an {}: it is text, or what type: integer, number or "
                    "boolean says; describe how the text looks (pattern), or leave the type away",
                    text::printable(reader.path()), type));
  }
}

}  // namespace

void check_path_parameters(config::Reader& reader, const config::PathPattern& path) {
  for (const Node::Member& member : reader.node().members) {
    const auto named = [&](const config::Segment& s) {
      return s.kind != config::Segment::Kind::literal && s.text == member.name;
    };
    if (std::ranges::any_of(path.segments, named)) continue;
    std::vector<std::string> known;
    for (const config::Segment& s : path.segments) {
      if (s.kind != config::Segment::Kind::literal) known.push_back(s.text);
    }
    const auto near = text::nearest(member.name, known);
    reader.error_at(
        member.mark,
        fmt::format("\"{}\" is not one of the {{names}} of match.path (\"{}\"), so that nothing would "
                    "be checked{}",
                    text::printable(member.name), text::printable(path.text),
                    near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  }
}

void check_header_parameters(config::Reader& reader) {
  std::vector<std::string_view> seen;
  for (const Node::Member& member : reader.node().members) {
    if (!http::is_token(member.name)) {
      reader.error_at(member.mark, fmt::format("\"{}\" is not the name of a header: letters, digits and "
                                               "hyphens, as in X-Tenant",
                                               text::printable(member.name)));
      continue;
    }
    const auto same = [&](std::string_view other) { return text::iequals(other, member.name); };
    if (const auto found = std::ranges::find_if(seen, same); found != seen.end()) {
      reader.error_at(member.mark, fmt::format("\"{}\" and \"{}\" are one header: names ignore case",
                                               text::printable(*found), text::printable(member.name)));
    }
    seen.emplace_back(member.name);
  }
}

void check_parameter_schemas(config::Reader& reader) {
  for (const Node::Member& member : reader.node().members) {
    const Node& schema = member.value;
    config::Reader one = reader.at(member.name);
    const std::vector<std::string_view> types = types_of(schema);
    check_types(one, schema, types);
    if (const Node* value = schema.find("const")) check_value(one, *value, types);
    if (const Node* values = schema.find("enum")) {
      for (const Node& value : values->items) check_value(one, value, types);
    }
    check_numbers(one, schema, types);
  }
}

}  // namespace sallyport
