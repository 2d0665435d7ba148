#include "plugins/validate/parameter_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/text.h"
#include "gateway/http/headers.h"
#include "plugins/validate/schema.h"

namespace sallyport {
namespace {

using config::Node;

bool is_number(const Node& node) noexcept {
  return node.kind == Node::Kind::integer || node.kind == Node::Kind::number;
}

// The types that a schema names; none: any.
std::vector<std::string_view> types_of(const Node& schema) {
  std::vector<std::string_view> types;
  const auto add = [&](const Node& one) {
    types.emplace_back(one.kind == Node::Kind::null ? std::string_view("null") : one.text);
  };
  const Node* type = schema.find("type");
  if (type != nullptr && type->is_scalar()) add(*type);
  if (type != nullptr) std::ranges::for_each(type->items, add);
  return types;
}

bool names(const std::vector<std::string_view>& types, std::string_view type) noexcept {
  return std::ranges::find(types, type) != types.end();
}

// The schema of one parameter. How a value is read is said by the types at its top only; what a part of it
// says of other values (in allOf, behind a $ref) never says anything.
class SchemaOfOne {
 public:
  SchemaOfOne(config::Reader& reader, const Node& top)
      : reader_(reader),
        top_(top),
        types_(types_of(top)),
        text_(types_.empty() || names(types_, "string")),
        number_(!text_ && (names(types_, "number") || names(types_, "integer"))) {}

  void check() {
    check_types();
    std::set<const Node*> seen;  // a $ref may come back
    std::vector<const Node*> open = {&top_};
    while (!open.empty()) {
      const Node* one = open.back();
      open.pop_back();
      if (!seen.insert(one).second) continue;
      check_part(*one);
      add_parts(*one, open);
    }
  }

 private:
  // Those that are about the same value.
  void add_parts(const Node& schema, std::vector<const Node*>& open) const {
    for (std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
      const Node* list = schema.find(keyword);
      if (list == nullptr) continue;
      for (const Node& item : list->items) open.push_back(&item);
    }
    if (const Node* negated = schema.find("not")) open.push_back(negated);
    const Node* reference = schema.find("$ref");
    const Node* target = reference == nullptr ? nullptr : schema_at(top_, reference->text);
    if (target != nullptr) open.push_back(target);
  }

  void check_part(const Node& schema) {
    if (&schema != &top_) check_type_of_part(schema);
    if (const Node* value = schema.find("const")) check_value(*value);
    if (const Node* values = schema.find("enum")) {
      for (const Node& value : values->items) check_value(value);
    }
    check_keywords(schema);
  }

  // True if a value of the request can be read as what an enum or a const has there.
  bool can_be(const Node& value) const noexcept {
    if (text_) return value.kind == Node::Kind::string;
    if (is_number(value)) return number_;
    if (value.kind == Node::Kind::boolean) return names(types_, "boolean");
    return value.kind != Node::Kind::string;
  }
  void check_value(const Node& value) {
    if (can_be(value)) return;
    reader_.error_at(value.mark,
                     fmt::format("{}: no value is ever equal to this: a parameter of {} is read as {}; {}",
                                 text::printable(reader_.path()), text_ ? "this schema" : "these types",
                                 text_ ? "text" : "what its type says",
                                 text_ ? "put it between quotes, or say type: integer, number or boolean"
                                       : "write the values as that type has them"));
  }

  // The keywords of numbers say nothing of text, and those of text nothing of numbers (JSON Schema
  // Validation, sections 6.2 and 6.3).
  void check_keywords(const Node& schema) {
    if (!number_)
      for (const std::string_view keyword :
           {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
        says_nothing(schema, keyword,
                     "as a parameter is read as text unless its schema says, at its top, type: integer or "
                     "number");
    if (!text_)
      for (const std::string_view keyword : {"minLength", "maxLength", "pattern"})
        says_nothing(schema, keyword,
                     "as its type has the parameter read as another thing than text; bound a number by "
                     "minimum and maximum, or leave the type away");
  }
  void says_nothing(const Node& schema, std::string_view keyword, std::string_view why) {
    if (const Node* found = schema.find(keyword))
      reader_.error_at(found->mark, fmt::format("{}: {} says nothing here, {}",
                                                text::printable(reader_.path()), keyword, why));
  }

  bool has_type(std::string_view type) const noexcept {
    if (text_) return type == "string";
    return type == "integer" || type == "number" ? number_ : names(types_, type);
  }
  void check_type_of_part(const Node& schema) {
    const std::vector<std::string_view> types = types_of(schema);
    // "null" is how generators write that a parameter may be left out; no value is, and it does no harm.
    const auto may_be = [&](auto type) { return type == "null" || has_type(type); };
    if (types.empty() || std::ranges::any_of(types, may_be)) return;
    reader_.error_at(schema.find("type")->mark,
                     fmt::format("{}: no value is ever of this type: a parameter is read as what the type at "
                                 "the top of its schema says, and as text without one; say it there",
                                 text::printable(reader_.path())));
  }

  // A value of a query, a path or a header is one scalar to every backend, whatever brackets it has.
  void check_types() {
    for (const std::string_view type : {"array", "object"}) {
      if (!names(types_, type)) continue;
      reader_.error_at(
          top_.find("type")->mark,
          fmt::format("{}: no parameter is ever an {}: it is text, or what type: integer, number or "
                      "boolean says; describe how the text looks (pattern), or leave the type away",
                      text::printable(reader_.path()), type));
    }
  }

  config::Reader& reader_;
  const Node& top_;
  std::vector<std::string_view> types_;
  bool text_;    // read as it is
  bool number_;  // read as a number, or as what else the types name
};

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
    config::Reader one = reader.at(member.name);
    SchemaOfOne(one, member.value).check();
  }
}

}  // namespace sallyport
