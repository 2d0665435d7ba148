#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gateway/base/text.h"
#include "plugins/validate/schema.h"

namespace sallyport {
namespace {

using Index = SchemaNode::Index;

constexpr size_t violations_max = 10;
constexpr uint64_t steps_max = 2'000'000;
constexpr int depth_max = 512;  // the value's own depth times the schema's $refs

// Where in the document the check is; on the stack of the check itself.
struct Place {
  const Place* parent = nullptr;
  std::string_view name;
  size_t index = 0;
  bool is_index = false;
};

void append_pointer(std::string& out, const Place* place) {
  if (place == nullptr || place->parent == nullptr) return;
  append_pointer(out, place->parent);
  out += '/';
  if (place->is_index) {
    out += std::to_string(place->index);
    return;
  }
  for (char c : place->name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
}

long double number_of(json::Value v) noexcept {
  if (v.is(json::Kind::number)) return v.number();
  const json::Value::Integer i = v.integer();
  return i.negative ? -static_cast<long double>(i.magnitude) : static_cast<long double>(i.magnitude);
}

uint64_t code_points(std::string_view s) noexcept {
  return static_cast<uint64_t>(
      std::ranges::count_if(s, [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

// Within what a double of that size can tell: 0.3 is a multiple of 0.1.
bool is_multiple(long double value, long double of) noexcept {
  const long double quotient = value / of;
  return std::isfinite(quotient) &&
         std::fabs(quotient - std::round(quotient)) <= 1e-12L * std::max(1.0L, std::fabs(quotient));
}

bool same(json::Value a, json::Value b);
bool same_members(json::Value a, json::Value b) {
  for (const json::Object::Member m : a.object()) {
    const auto other = b.member(m.name);
    if (!other || !same(m.value, *other)) return false;
  }
  return true;
}
bool is_number(json::Value v) noexcept { return v.is(json::Kind::integer) || v.is(json::Kind::number); }

bool same(json::Value a, json::Value b) {
  if (is_number(a) && is_number(b)) return number_of(a) == number_of(b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case json::Kind::boolean:
      return a.boolean() == b.boolean();
    case json::Kind::string:
      return a.string() == b.string();
    case json::Kind::object:
      return a.size() == b.size() && same_members(a, b);
    case json::Kind::array: {
      if (a.size() != b.size()) return false;
      auto other = b.array().begin();
      for (const json::Value item : a.array()) {
        if (!same(item, *other)) return false;
        ++other;
      }
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

bool Literal::equals(json::Value value) const {
  if (kind == json::Kind::number) return is_number(value) && number_of(value) == number;
  if (kind != value.kind()) return false;
  switch (kind) {
    case json::Kind::boolean:
      return boolean == value.boolean();
    case json::Kind::string:
      return text == value.string();
    case json::Kind::array: {
      if (items.size() != value.size()) return false;
      auto item = items.begin();
      for (const json::Value v : value.array()) {
        if (!(item++)->equals(v)) return false;
      }
      return true;
    }
    case json::Kind::object:
      if (names.size() != value.size()) return false;
      for (size_t i = 0; i < names.size(); ++i) {
        const auto other = value.member(names[i]);
        if (!other || !items[i].equals(*other)) return false;
      }
      return true;
    default:
      return true;
  }
}

class SchemaCheck {
 public:
  SchemaCheck(const Schema& schema, std::vector<Violation>* violations, std::string_view prefix)
      : nodes_(schema.nodes_), violations_(violations), prefix_(prefix) {}

  bool check(Index index, json::Value v, const Place& place, int depth) {
    if (++steps_ > steps_max || depth > depth_max)
      return wrong(place, "$ref", "the document asks for too much work");
    const SchemaNode& n = nodes_[index];
    if (n.nothing) return wrong(place, "false", "nothing is allowed here");
    if (n.types != 0 && !has_type(n, v)) return wrong(place, "type", expected_types(n.types));
    if (n.simple) return of_type(n, v, place, depth);
    bool good = n.reference == SchemaNode::none || check(n.reference, v, place, depth + 1);
    if (n.has_values &&
        std::ranges::none_of(n.one_of_values, [&](const Literal& l) { return l.equals(v); })) {
      good = wrong(place, "enum", "this is none of the values that are allowed");
    }
    good = of_type(n, v, place, depth) && good;
    return combined(n, v, place, depth) && good;
  }

 private:
  // The keywords that are for values of this type.
  bool of_type(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    switch (v.kind()) {
      case json::Kind::integer:
      case json::Kind::number:
        return number(n, v, place);
      case json::Kind::string:
        return string(n, v, place);
      case json::Kind::array:
        return array(n, v, place, depth);
      case json::Kind::object:
        return object(n, v, place, depth);
      default:
        return true;
    }
  }
  bool wrong(const Place& place, std::string_view keyword, std::string detail) {
    if (violations_ == nullptr || silent_ > 0 || violations_->size() >= violations_max) return false;
    std::string pointer(prefix_);
    append_pointer(pointer, &place);
    violations_->push_back({std::move(pointer), std::string(keyword), std::move(detail)});
    return false;
  }
  template <class T>
  bool at_least(const std::optional<T>& bound, T value, const Place& place, std::string_view keyword,
                std::string_view unit) {
    return !bound || value >= *bound ||
           wrong(place, keyword, fmt::format("at least {} {} expected", *bound, unit));
  }
  template <class T>
  bool at_most(const std::optional<T>& bound, T value, const Place& place, std::string_view keyword,
               std::string_view unit) {
    return !bound || value <= *bound ||
           wrong(place, keyword, fmt::format("at most {} {} expected", *bound, unit));
  }

  static bool has_type(const SchemaNode& n, json::Value v) noexcept {
    const auto bit = [](json::Kind k) { return 1U << static_cast<unsigned>(k); };
    if (n.types & bit(v.kind())) return true;
    if (v.is(json::Kind::integer)) return n.types & bit(json::Kind::number);
    return v.is(json::Kind::number) && (n.types & bit(json::Kind::integer)) &&
           std::trunc(v.number()) == v.number();
  }
  static std::string expected_types(uint32_t types) {
    constexpr std::string_view names[] = {"null",   "boolean", "integer", "number",
                                          "string", "array",   "object"};
    std::string out = "expected ";
    bool first = true;
    for (size_t i = 0; i < std::size(names); ++i) {
      if (!(types & 1U << i)) continue;
      out += first ? "" : " or ";
      out += names[i];
      first = false;
    }
    return out;
  }

  bool number(const SchemaNode& n, json::Value v, const Place& place) {
    const long double x = number_of(v);
    bool good = true;
    const auto must = [&](bool holds, std::string_view keyword, std::string_view says, long double bound) {
      if (!holds)
        good = wrong(place, keyword, fmt::format("expected {} {}", says, static_cast<double>(bound)));
    };
    if (n.minimum) must(x >= *n.minimum, "minimum", "at least", *n.minimum);
    if (n.maximum) must(x <= *n.maximum, "maximum", "at most", *n.maximum);
    if (n.above) must(x > *n.above, "exclusiveMinimum", "more than", *n.above);
    if (n.below) must(x < *n.below, "exclusiveMaximum", "less than", *n.below);
    if (n.multiple_of) must(is_multiple(x, *n.multiple_of), "multipleOf", "a multiple of", *n.multiple_of);
    return good;
  }

  // A character has one to four bytes: most texts need no counting.
  static bool surely_fits(const SchemaNode& n, std::string_view s) noexcept {
    return (!n.max_length || s.size() <= *n.max_length) && (!n.min_length || s.size() / 4 >= *n.min_length);
  }

  bool string(const SchemaNode& n, json::Value v, const Place& place) {
    const std::string_view s = v.string();
    bool good = true;
    if (!surely_fits(n, s)) {
      const uint64_t length = code_points(s);
      good = at_least(n.min_length, length, place, "minLength", "characters");
      good = at_most(n.max_length, length, place, "maxLength", "characters") && good;
    }
    if (n.pattern != nullptr && !n.pattern->matches(s))
      good = wrong(place, "pattern", "this does not match the pattern");
    return good;
  }

  // The most frequent item of all, decided at once. A step like others, which ends where these end.
  bool plain_text(const SchemaNode& n, json::Value v) noexcept {
    if (!n.text || !v.is(json::Kind::string) || !surely_fits(n, v.string()) || steps_ >= steps_max)
      return false;
    ++steps_;
    return true;
  }

  bool array(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    const uint64_t size = v.size();
    bool good = at_least(n.min_items, size, place, "minItems", "items");
    good = at_most(n.max_items, size, place, "maxItems", "items") && good;
    if (n.unique_items && !unique(v)) good = wrong(place, "uniqueItems", "an item is there twice");
    if (n.items == SchemaNode::none && n.prefix_items.empty()) return good;
    size_t i = 0;
    for (const json::Value item : v.array()) {
      const Index schema = i < n.prefix_items.size() ? n.prefix_items[i] : n.items;
      if (schema != SchemaNode::none && !plain_text(nodes_[schema], item))
        good = check(schema, item, {&place, {}, i, true}, depth + 1) && good;
      ++i;
      if (!good && enough()) return false;
    }
    return good;
  }

  // Every item with every other: bounded by the steps, so that a long list of equal shapes is refused rather
  // than waited for.
  bool unique(json::Value v) {
    std::vector<json::Value> seen;
    for (const json::Value item : v.array()) {
      for (const json::Value other : seen) {
        if (++steps_ > steps_max || same(item, other)) return false;
      }
      seen.push_back(item);
    }
    return true;
  }

  bool object(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    const uint64_t size = v.size();
    bool good = at_least(n.min_properties, size, place, "minProperties", "members");
    good = at_most(n.max_properties, size, place, "maxProperties", "members") && good;
    for (const std::string& name : n.required) {
      steps_ += size;
      if (!v.member(name)) good = wrong(place, "required", fmt::format("the member \"{}\" is missing", name));
    }
    if (n.properties.empty() && n.pattern_properties.empty() && n.additional == SchemaNode::none &&
        n.names == SchemaNode::none)
      return good;
    for (const json::Object::Member m : v.object()) {
      good = member(n, m, place, depth) && good;
      if (!good && enough()) return false;
    }
    return good;
  }

  bool member(const SchemaNode& n, const json::Object::Member& m, const Place& place, int depth) {
    const Place here{&place, m.name, 0, false};
    bool good = true, covered = false;
    if (auto own = n.properties.find(m.name); own != n.properties.end()) {
      covered = true;
      good = check(own->second, m.value, here, depth + 1);
    }
    for (const auto& [pattern, schema] : n.pattern_properties) {
      if (!pattern->matches(m.name)) continue;
      covered = true;
      good = check(schema, m.value, here, depth + 1) && good;
    }
    if (n.names != SchemaNode::none) good = name_fits(n.names, m.name, here) && good;
    if (covered || n.additional == SchemaNode::none) return good;
    if (nodes_[n.additional].nothing)
      return wrong(here, "additionalProperties", "this member is not allowed");
    return check(n.additional, m.value, here, depth + 1) && good;
  }

  // Names are text: what a schema for them can say is about their length, their pattern and which they are.
  bool name_fits(Index schema, std::string_view name, const Place& place) {
    const SchemaNode& n = nodes_[schema];
    const uint64_t length = code_points(name);
    const bool listed = !n.has_values || std::ranges::any_of(n.one_of_values, [&](const Literal& l) {
      return l.kind == json::Kind::string && l.text == name;
    });
    const bool good = !n.nothing && listed && (!n.min_length || length >= *n.min_length) &&
                      (!n.max_length || length <= *n.max_length) &&
                      (n.pattern == nullptr || n.pattern->matches(name));
    return good || wrong(place, "propertyNames", "no member may have this name");
  }

  bool combined(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    bool good = true;
    for (const Index one : n.all_of) good = check(one, v, place, depth + 1) && good;
    if (n.any_of.empty() && n.one_of.empty() && n.negated == SchemaNode::none) return good;
    ++silent_;
    const auto fits = [&](Index one) { return check(one, v, place, depth + 1); };
    const bool any = n.any_of.empty() || std::ranges::any_of(n.any_of, fits);
    const bool one = n.one_of.empty() || std::ranges::count_if(n.one_of, fits) == 1;
    const bool no = n.negated == SchemaNode::none || !fits(n.negated);
    --silent_;
    if (steps_ > steps_max) return wrong(place, "$ref", "the document asks for too much work");
    if (!any) good = wrong(place, "anyOf", "this matches none of the schemas that are allowed");
    if (!one) good = wrong(place, "oneOf", "this does not match exactly one of the schemas");
    if (!no) good = wrong(place, "not", "this matches what is not allowed");
    return good;
  }

  bool enough() const noexcept {
    return violations_ == nullptr || silent_ > 0 || violations_->size() >= violations_max;
  }

  const std::vector<SchemaNode>& nodes_;
  std::vector<Violation>* violations_;
  std::string_view prefix_;
  uint64_t steps_ = 0;
  int silent_ = 0;  // within anyOf, oneOf and not: what is wrong there is no violation by itself
};

bool Schema::check(json::Value value, std::vector<Violation>* violations, std::string_view prefix) const {
  return SchemaCheck(*this, violations, prefix).check(0, value, {}, 0);
}

bool Schema::takes_text() const noexcept {
  const uint32_t types = nodes_.front().types;
  return types == 0 || (types & 1U << static_cast<unsigned>(json::Kind::string)) != 0;
}

}  // namespace sallyport
