#include "plugins/validate/parameter_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

bool is_whole(const Node& number) noexcept {
  const double value = std::strtod(number.text.c_str(), nullptr);
  return std::trunc(value) == value;
}

// The schema of one parameter. How a value is read is said by the types at its top only. What a part of it
// says of other values is wrong where all parts hold (in allOf, behind a $ref). A branch (of anyOf, oneOf)
// that is true of other values only is dead, which is no fault unless all are; but what is to exclude
// something (not, and each of oneOf the others) lets everything past where it is dead.
class SchemaOfOne {
 public:
  SchemaOfOne(config::Reader& reader, const Node& top)
      : reader_(reader),
        top_(top),
        types_(types_of(top)),
        text_(types_.empty() || names(types_, "string")),
        number_(!text_ && (names(types_, "number") || names(types_, "integer"))) {}

  void check() {
    if (!check_types()) return;
    std::set<Part> seen;  // a $ref may come back
    std::vector<Part> open = {{&top_, false}};
    while (!open.empty()) {
      const Part one = open.back();
      open.pop_back();
      if (!seen.insert(one).second || (one.second && is_never(*one.first, 0))) continue;
      check_part(one);
      add_parts(one, open);
    }
  }

 private:
  using Part = std::pair<const Node*, bool>;  // true: in a branch

  static std::span<const Node> list_of(const Node& schema, std::string_view keyword) {
    const Node* list = schema.find(keyword);
    return list == nullptr ? std::span<const Node>{} : std::span<const Node>(list->items);
  }
  const Node* target_of(const Node& schema) const {
    const Node* reference = schema.find("$ref");
    return reference == nullptr ? nullptr : schema_at(top_, reference->text);
  }
  // Those that are about the same value.
  void add_parts(const Part& part, std::vector<Part>& open) const {
    const auto& [schema, in_branch] = part;
    for (const Node& item : list_of(*schema, "allOf")) open.emplace_back(&item, in_branch);
    for (const std::string_view keyword : branchings) {
      for (const Node& item : list_of(*schema, keyword)) open.emplace_back(&item, true);
    }
    if (const Node* negated = schema->find("not")) open.emplace_back(negated, true);
    if (const Node* target = target_of(*schema)) open.emplace_back(target, in_branch);
  }

  // True if no value of the request meets it, as far as its types and values tell.
  bool is_never(const Node& schema, int depth) {
    const auto [known, fresh] = never_.emplace(&schema, false);  // a $ref may come back
    if (!fresh || depth > depth_max) return known->second;
    const std::vector<std::string_view> types = types_of(schema);
    const auto has = [&](auto type) { return has_type(type); };
    const auto can = [&](const Node& value) { return can_be(value); };
    const auto never = [&](const Node& part) { return is_never(part, depth + 1); };
    const Node *value = schema.find("const"), *values = schema.find("enum"), *target = target_of(schema);
    known->second =
        (schema.kind == Node::Kind::boolean && text::iequals(schema.text, "false")) ||
        (!types.empty() && std::ranges::none_of(types, has)) || (value != nullptr && !can_be(*value)) ||
        (values != nullptr && std::ranges::none_of(values->items, can)) ||
        (target != nullptr && never(*target)) || std::ranges::any_of(list_of(schema, "allOf"), never) ||
        std::ranges::any_of(branchings, [&](auto key) { return is_dead_end(schema, key, depth); });
    return known->second;
  }
  bool is_dead_end(const Node& schema, std::string_view keyword, int depth) {
    const std::span<const Node> branches = list_of(schema, keyword);
    return !branches.empty() &&
           std::ranges::all_of(branches, [&](const Node& one) { return is_never(one, depth + 1); });
  }

  void check_part(const Part& part) {
    const auto& [schema, in_branch] = part;
    check_keywords(*schema);
    check_exclusions(*schema);
    if (in_branch) return;
    if (schema != &top_) check_type_of_part(*schema);
    if (const Node* value = schema->find("const")) check_value(*value);
    for (const Node& value : list_of(*schema, "enum")) check_value(value);
    for (const std::string_view keyword : branchings) {
      if (is_dead_end(*schema, keyword, 0))
        reader_.error_at(
            schema->find(keyword)->mark,
            fmt::format("{}: no value passes here, as none of these is ever true: a parameter is "
                        "read as what the type at the top of its schema says, and as text "
                        "without one; say it there",
                        text::printable(reader_.path())));
    }
  }

  // Where the type at the top is written, its values are known to be no others: who says so once more is
  // right.
  bool is_other_type(const Node& schema) const {
    const auto has = [&](auto type) { return has_type(type); };
    const std::vector<std::string_view> types = types_of(schema);
    return !types_.empty() && !types.empty() && std::ranges::none_of(types, has);
  }
  void check_exclusions(const Node& schema) {
    const auto excludes_nothing = [&](const Node& part) {
      return part.is_map() && is_never(part, 0) && !is_other_type(part) && !is_null_only(part);
    };
    const auto tell = [&](const Node& part, std::string_view keyword) {
      reader_.error_at(part.mark,
                       fmt::format("{}: {} excludes nothing here, as no value is ever read as what stands "
                                   "in it: a parameter is read as what the type at the top of its schema "
                                   "says, and as text without one",
                                   text::printable(reader_.path()), keyword));
    };
    if (const Node* negated = schema.find("not"); negated != nullptr && excludes_nothing(*negated))
      tell(*negated, "not");
    for (const Node& one : list_of(schema, "oneOf")) {
      if (excludes_nothing(one) && !is_dead_end(schema, "oneOf", 0)) tell(one, "oneOf");
    }
  }
  // How generators write that a parameter may be left out.
  static bool is_null_only(const Node& schema) {
    const std::vector<std::string_view> types = types_of(schema);
    return types.size() == 1 && types.front() == "null";
  }

  // True if a value of the request can be read as what an enum or a const has there.
  bool can_be(const Node& value) const noexcept {
    if (value.kind == Node::Kind::null) return names(types_, "null");  // never is, and does no harm
    if (text_) return value.kind == Node::Kind::string;
    if (is_number(value)) return number_ && (names(types_, "number") || is_whole(value));
    return value.kind == Node::Kind::boolean && names(types_, "boolean");
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
  // Validation, sections 6.2 and 6.3), and those of lists and objects nothing of either.
  void check_keywords(const Node& schema) {
    for (const std::string_view keyword :
         {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "properties", "patternProperties",
          "additionalProperties", "propertyNames", "minProperties", "maxProperties"})
      says_nothing(schema, keyword, no_container);
    // `required: true` is the parameter's own.
    if (const Node* names = schema.find("required"); names != nullptr && names->is_list())
      says_nothing(schema, "required", no_container);
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
  bool check_types() {
    bool good = true;
    for (const std::string_view type : {"array", "object"}) {
      if (!names(types_, type)) continue;
      good = false;
      reader_.error_at(
          top_.find("type")->mark,
          fmt::format("{}: no parameter is ever an {}: it is text, or what type: integer, number or "
                      "boolean says; describe how the text looks (pattern), or leave the type away",
                      text::printable(reader_.path()), type));
    }
    return good;
  }

  static constexpr std::array<std::string_view, 2> branchings = {"anyOf", "oneOf"};
  static constexpr std::string_view no_container =
      "as a parameter is one value, neither a list nor an object; leave it away";
  static constexpr int depth_max = 256;

  config::Reader& reader_;
  const Node& top_;
  std::vector<std::string_view> types_;
  bool text_;    // read as it is
  bool number_;  // read as a number, or as what else the types name
  std::map<const Node*, bool> never_;
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
