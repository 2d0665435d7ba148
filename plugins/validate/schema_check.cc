#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "gateway/base/text.h"
#include "plugins/validate/schema.h"

namespace sallyport {
namespace {

using Index = SchemaNode::Index;

constexpr size_t violations_max = 10;
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
  if (place->is_index)
    out += '/' + std::to_string(place->index);
  else
    json::append_step(out, place->name);
}

uint64_t code_points(std::string_view s) noexcept {
  return static_cast<uint64_t>(
      std::ranges::count_if(s, [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

// The verdicts about values that alternatives within alternatives have asked about, so that a schema that
// refers to itself from several of them does not look at a subtree once for each way to it. A few, each in
// the place that its hash gives it: what is asked again has mostly just been answered.
class Memo {
 public:
  // Null: not known.
  const bool* find(Index schema, json::Value v) const noexcept {
    const Entry& entry = entries_[place(schema, v)];
    return entry.key == key(schema, v) ? &entry.verdict : nullptr;
  }
  void keep(Index schema, json::Value v, bool verdict) noexcept {
    entries_[place(schema, v)] = {key(schema, v), verdict};
  }

 private:
  struct Entry {
    uint64_t key = 0;  // no value has the number 0
    bool verdict = false;
  };
  static constexpr size_t size = 256;
  static uint64_t key(Index schema, json::Value v) noexcept {
    return uint64_t{schema} << 32 | static_cast<uint32_t>(v.raw().index);
  }
  static size_t place(Index schema, json::Value v) noexcept {
    return static_cast<size_t>(key(schema, v) * 0x9e3779b97f4a7c15 >> 56);
  }
  std::array<Entry, size> entries_;
};

}  // namespace

class SchemaCheck {
 public:
  SchemaCheck(const Schema& schema, Meter& meter, std::vector<Violation>* violations, std::string_view prefix)
      : nodes_(schema.nodes_), key_(schema.key_), meter_(meter), violations_(violations), prefix_(prefix) {}

  bool check(Index index, json::Value v, const Place& place, int depth) {
    if (depth > depth_max) meter_.exhaust();
    if (!meter_.spend()) return false;
    const SchemaNode& n = nodes_[index];
    if (n.nothing) return wrong(place, "false", "nothing is allowed here");
    if (n.types != 0 && !has_type(n, v)) return !enough() && wrong(place, "type", expected_types(n.types));
    if (n.simple) return of_type(n, v, place, depth);
    const bool again =
        n.branches && branching_ > 0 && enough() && (v.is(json::Kind::object) || v.is(json::Kind::array));
    if (!again) return whole(n, v, place, depth);
    if (!memo_) memo_.emplace();
    if (const bool* known = memo_->find(index, v)) return *known;
    const bool good = whole(n, v, place, depth);
    if (!meter_.exhausted()) memo_->keep(index, v, good);
    return good;
  }

 private:
  bool whole(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    bool good = n.reference == SchemaNode::none || check(n.reference, v, place, depth + 1);
    if (n.values && !n.values->contains(v, meter_))
      good = wrong(place, "enum", "this is none of the values that are allowed");
    good = of_type(n, v, place, depth) && good;
    return (!n.branches || combined(n, v, place, depth)) && good;
  }
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
  bool wrong(const Place& place, std::string_view keyword, std::string_view detail) {
    if (enough() || meter_.exhausted()) return false;
    std::string pointer(prefix_);
    append_pointer(pointer, &place);
    violations_->push_back({std::move(pointer), std::string(keyword), std::string(detail)});
    return false;
  }
  template <class T>
  bool at_least(const std::optional<T>& bound, T value, const Place& place, std::string_view keyword,
                std::string_view unit) {
    return !bound || value >= *bound ||
           (!enough() && wrong(place, keyword, fmt::format("at least {} {} expected", *bound, unit)));
  }
  template <class T>
  bool at_most(const std::optional<T>& bound, T value, const Place& place, std::string_view keyword,
               std::string_view unit) {
    return !bound || value <= *bound ||
           (!enough() && wrong(place, keyword, fmt::format("at most {} {} expected", *bound, unit)));
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
        good = !enough() &&
               wrong(place, keyword, fmt::format("expected {} {}", says, static_cast<double>(bound)));
    };
    if (n.minimum) must(x >= *n.minimum, "minimum", "at least", *n.minimum);
    if (n.maximum) must(x <= *n.maximum, "maximum", "at most", *n.maximum);
    if (n.above) must(x > *n.above, "exclusiveMinimum", "more than", *n.above);
    if (n.below) must(x < *n.below, "exclusiveMaximum", "less than", *n.below);
    if (n.multiple_of) must(n.multiple_of->has(x), "multipleOf", "a multiple of", n.multiple_of->of);
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
      meter_.spend(s.size() / 16);
      const uint64_t length = code_points(s);
      good = at_least(n.min_length, length, place, "minLength", "characters");
      good = at_most(n.max_length, length, place, "maxLength", "characters") && good;
    }
    if (n.pattern != nullptr && !n.pattern->matches(s, meter_))
      good = wrong(place, "pattern", "this does not match the pattern");
    return good;
  }

  // The most frequent item of all, decided at once.
  bool plain_text(const SchemaNode& n, json::Value v) noexcept {
    return n.text && v.is(json::Kind::string) && surely_fits(n, v.string()) && meter_.spend();
  }

  bool array(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    const uint64_t size = v.size();
    bool good = at_least(n.min_items, size, place, "minItems", "items");
    good = at_most(n.max_items, size, place, "maxItems", "items") && good;
    if (n.unique_items && !all_differ(v, key_, meter_))
      good = wrong(place, "uniqueItems", "an item is there twice");
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

  // Few names are looked for one by one, many all at once: linear in the members either way.
  bool has_required(const SchemaNode& n, json::Value v, const Place& place) {
    const size_t size = v.size();
    meter_.spend(size);
    bool good = true;
    const auto missing = [&](const std::string& name) {
      good = !enough() && wrong(place, "required", fmt::format("the member \"{}\" is missing", name));
    };
    if (n.required.size() * size <= 256) {
      for (const std::string& name : n.required) {
        if (!v.member(name)) missing(name);
      }
      return good;
    }
    std::vector<bool> seen(n.required.size());
    for (const json::Object::Member m : v.object()) {
      if (auto at = n.required_at.find(m.name); at != n.required_at.end()) seen[at->second] = true;
    }
    for (size_t i = 0; i < seen.size(); ++i) {
      if (!seen[n.required_at.find(n.required[i])->second]) missing(n.required[i]);
    }
    return good;
  }

  bool object(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    const uint64_t size = v.size();
    bool good = at_least(n.min_properties, size, place, "minProperties", "members");
    good = at_most(n.max_properties, size, place, "maxProperties", "members") && good;
    if (!n.required.empty()) good = has_required(n, v, place) && good;
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
    if (m.name.size() > 32) meter_.spend(m.name.size() / 32);
    bool good = true, covered = false;
    if (auto own = n.properties.find(m.name); own != n.properties.end()) {
      covered = true;
      good = check(own->second, m.value, here, depth + 1);
    }
    for (const auto& [pattern, schema] : n.pattern_properties) {
      if (!pattern->matches(m.name, meter_)) continue;
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
    meter_.spend(name.size() / 16);
    const uint64_t length = code_points(name);
    const bool good = !n.nothing && (!n.values || n.values->contains_text(name)) &&
                      (!n.min_length || length >= *n.min_length) &&
                      (!n.max_length || length <= *n.max_length) &&
                      (n.pattern == nullptr || n.pattern->matches(name, meter_));
    return good || wrong(place, "propertyNames", "no member may have this name");
  }

  bool combined(const SchemaNode& n, json::Value v, const Place& place, int depth) {
    bool good = true;
    ++branching_;
    for (const Index one : n.all_of) good = check(one, v, place, depth + 1) && good;
    ++silent_;
    const auto fits = [&](Index one) { return check(one, v, place, depth + 1); };
    const bool any = n.any_of.empty() || std::ranges::any_of(n.any_of, fits);
    const bool one = n.one_of.empty() || std::ranges::count_if(n.one_of, fits) == 1;
    const bool no = n.negated == SchemaNode::none || !fits(n.negated);
    --silent_;
    --branching_;
    if (!any) good = wrong(place, "anyOf", "this matches none of the schemas that are allowed");
    if (!one) good = wrong(place, "oneOf", "this does not match exactly one of the schemas");
    if (!no) good = wrong(place, "not", "this matches what is not allowed");
    return good;
  }

  bool enough() const noexcept {
    return violations_ == nullptr || silent_ > 0 || violations_->size() >= violations_max;
  }

  const std::vector<SchemaNode>& nodes_;
  const SipKey& key_;
  Meter& meter_;
  std::vector<Violation>* violations_;
  std::string_view prefix_;
  std::optional<Memo> memo_;
  int branching_ = 0;  // within any of allOf, anyOf, oneOf and not
  int silent_ = 0;     // within anyOf, oneOf and not: what is wrong there is no violation by itself
};

// `not` turns an answer around, so the meter has the last word.
bool Schema::check(json::Value value, Meter& meter, std::vector<Violation>* violations,
                   std::string_view prefix) const {
  return SchemaCheck(*this, meter, violations, prefix).check(0, value, {}, 0) && !meter.exhausted();
}

bool Schema::takes_text() const noexcept {
  const uint32_t types = nodes_.front().types;
  return types == 0 || (types & 1U << static_cast<unsigned>(json::Kind::string)) != 0;
}

bool Schema::takes_fractions() const noexcept {
  return (nodes_.front().types & 1U << static_cast<unsigned>(json::Kind::number)) != 0;
}

}  // namespace sallyport
