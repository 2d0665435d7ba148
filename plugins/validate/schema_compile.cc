#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>

#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"
#include "plugins/validate/schema.h"

namespace sallyport {

using config::Node;
using Index = SchemaNode::Index;

namespace {

constexpr size_t nodes_max = 100'000;
constexpr std::array<std::string_view, 7> type_names = {"null",   "boolean", "integer", "number",
                                                        "string", "array",   "object"};

// As a request's number is read: a whole one exactly, one with a fraction or an exponent as a double.
long double number_of(const Node& node) {
  return node.kind == Node::Kind::integer ? std::strtold(node.text.c_str(), nullptr)
                                          : std::strtod(node.text.c_str(), nullptr);
}

Literal literal_of(const Node& node) {
  Literal out;
  switch (node.kind) {
    case Node::Kind::null:
      break;
    case Node::Kind::boolean:
      out.kind = json::Kind::boolean;
      out.boolean = text::lower(node.text.front()) == 't';
      break;
    case Node::Kind::integer:
    case Node::Kind::number:
      out.kind = json::Kind::number;
      out.number = number_of(node);
      break;
    case Node::Kind::string:
      out.kind = json::Kind::string;
      out.text = node.text;
      break;
    case Node::Kind::list:
      out.kind = json::Kind::array;
      for (const Node& item : node.items) out.items.push_back(literal_of(item));
      break;
    case Node::Kind::map:
      out.kind = json::Kind::object;
      for (const Node::Member& m : node.members) {
        out.names.push_back(m.name);
        out.items.push_back(literal_of(m.value));
      }
      break;
  }
  return out;
}

}  // namespace

class SchemaCompiler {
 public:
  SchemaCompiler(const Node& document, config::Problems& problems)
      : document_(document), problems_(problems) {}

  std::shared_ptr<const Schema> compile() {
    schema_ = std::make_shared<Schema>();
    crypto::random_bytes(schema_->key_.data(), sizeof schema_->key_);
    compile_at(document_);
    while (!open_.empty()) {  // subschemas one after the other, so that nesting costs no stack
      const auto [node, index] = open_.back();
      open_.pop_back();
      fill(*node, index);
    }
    if (whole_) refuse_circles();
    return whole_ ? schema_ : nullptr;
  }

 private:
  void wrong(const Node& at, const std::string& message) { wrong_at(at.mark, message); }
  void wrong_at(const config::Mark& mark, const std::string& message) {
    whole_ = false;
    problems_.add(mark, "schema: " + message);
  }

  Index compile_at(const Node& node) {
    if (auto known = known_.find(&node); known != known_.end()) return known->second;
    if (schema_->nodes_.size() >= nodes_max) {
      wrong(node, "this schema is too large");
      return 0;
    }
    const auto index = static_cast<Index>(schema_->nodes_.size());
    schema_->nodes_.emplace_back();
    known_.emplace(&node, index);
    open_.emplace_back(&node, index);
    return index;
  }

  void fill(const Node& node, Index index) {
    SchemaNode out;
    at_root_ = index == 0;
    if (node.kind == Node::Kind::boolean) {
      out.nothing = text::lower(node.text.front()) == 'f';
    } else if (!node.is_map()) {
      wrong(node, "a schema is a map, true or false");
    }
    for (const Node::Member& m : node.members) keyword(m, out);
    check_bounds(node, out);
    check_required(node, out);
    out.simple = out.reference == SchemaNode::none && !out.values && out.all_of.empty() &&
                 out.any_of.empty() && out.one_of.empty() && out.negated == SchemaNode::none;
    out.text = out.simple && !out.nothing && out.pattern == nullptr &&
               out.types == 1U << static_cast<unsigned>(json::Kind::string);
    out.branches =
        out.all_of.size() + out.any_of.size() + out.one_of.size() > 0 || out.negated != SchemaNode::none;
    schema_->nodes_[index] = std::move(out);
  }

  void keyword(const Node::Member& m, SchemaNode& out);

  // Two that let nothing pass are a slip.
  void check_bounds(const Node& node, const SchemaNode& n) {
    const auto check = [&](const auto& low, const auto& high, std::string_view from, std::string_view to,
                           bool meet) {
      if (low && high && (meet ? *low > *high : *low >= *high))
        wrong(*node.find(to),
              fmt::format("no value passes {} and {} at once: one of them is wrong", from, to));
    };
    check(n.minimum, n.maximum, "minimum", "maximum", true);
    check(n.minimum, n.below, "minimum", "exclusiveMaximum", false);
    check(n.above, n.maximum, "exclusiveMinimum", "maximum", false);
    check(n.above, n.below, "exclusiveMinimum", "exclusiveMaximum", false);
    check(n.min_length, n.max_length, "minLength", "maxLength", true);
    check(n.min_items, n.max_items, "minItems", "maxItems", true);
    check(n.min_properties, n.max_properties, "minProperties", "maxProperties", true);
  }

  // A name that must be there and may not is a slip: no object passes.
  void check_required(const Node& node, const SchemaNode& n) {
    const Node* others = node.find("additionalProperties");
    const bool closed =
        others != nullptr && others->kind == Node::Kind::boolean && text::lower(others->text.front()) == 'f';
    constexpr auto object = 1U << static_cast<unsigned>(json::Kind::object);
    if (!closed || !n.pattern_properties.empty() || (n.types != 0 && (n.types & object) == 0)) return;
    for (const std::string& name : n.required) {
      if (!n.properties.contains(name))
        wrong(*node.find("required"),
              fmt::format("no object passes: \"{}\" must be there, is none of the properties, "
                          "and additionalProperties: false lets no other in",
                          text::printable(name)));
    }
  }

  // --- values of keywords
  void number(const Node& v, std::optional<long double>& out) {
    if (v.kind != Node::Kind::integer && v.kind != Node::Kind::number) return wrong(v, "expected a number");
    out = number_of(v);
    if (!std::isfinite(*out)) wrong(v, "this number is too large");
  }
  // Names are text, and no more is looked at than what these say.
  void names(const Node& v, SchemaNode& out) {
    constexpr std::array<std::string_view, 9> known = {
        "minLength", "maxLength", "pattern", "enum", "const", "type", "title", "$comment", "description"};
    for (const Node::Member& m : v.members) {
      const bool other_type = m.name == "type" && m.value.text != "string";
      if (other_type || std::ranges::find(known, m.name) == known.end())
        wrong(m.value, "propertyNames can say minLength, maxLength, pattern, enum, const and type: string");
    }
    out.names = compile_at(v);
  }
  void count(const Node& v, std::optional<uint64_t>& out) {
    out = v.kind == Node::Kind::integer ? text::parse_decimal(v.text) : std::nullopt;
    if (!out) wrong(v, "expected a whole number from 0");
  }
  // Of items and members, whose number is known no further than that (the tape of simdjson has 24 bits for
  // it).
  void size(const Node& v, std::optional<uint64_t>& out) {
    constexpr uint64_t size_max = 0xfffffe;
    count(v, out);
    if (out && *out > size_max)
      wrong(v,
            fmt::format(
                "no more than {} can be counted: leave it out, and bound the size of the content (body.max)",
                size_max));
  }
  void flag(const Node& v, bool& out) {
    if (v.kind != Node::Kind::boolean) return wrong(v, "expected true or false");
    out = text::lower(v.text.front()) == 't';
  }
  std::shared_ptr<const Pattern> pattern(const Node& at, const std::string& expression) {
    Result<Pattern> compiled = Pattern::compile(expression);
    if (compiled) return std::make_shared<const Pattern>(std::move(*compiled));
    wrong(at,
          fmt::format("\"{}\" is not a pattern: {}", text::printable(expression), compiled.error().detail));
    return nullptr;
  }
  void list(const Node& v, std::vector<Index>& out) {
    if (!v.is_list() || v.items.empty()) return wrong(v, "expected a list of schemas");
    for (const Node& item : v.items) out.push_back(compile_at(item));
  }

  // --- keywords
  void type(const Node& v, SchemaNode& out) {
    const auto one = [&](const Node& name) {
      for (size_t i = 0; i < type_names.size(); ++i) {
        if (name.is_scalar() && (name.text == type_names[i] || (i == 0 && name.kind == Node::Kind::null))) {
          out.types |= 1U << i;
          return;
        }
      }
      wrong(name, "expected one of null, boolean, integer, number, string, array, object");
    };
    if (!v.is_list()) return one(v);
    if (v.items.empty()) return wrong(v, "a value has a type: name one at least, or leave the key out");
    for (const Node& name : v.items) one(name);
  }
  void values(const Node& v, SchemaNode& out) {
    if (!v.is_list() || v.items.empty()) return wrong(v, "expected a list of values");
    if (out.values) return wrong(v, "enum beside const: write one of them");
    out.values.emplace();
    for (const Node& item : v.items) out.values->add(literal_of(item));
  }
  void constant(const Node& v, SchemaNode& out) {
    if (out.values) return wrong(v, "const beside enum: write one of them");
    out.values.emplace().add(literal_of(v));
  }
  void properties(const Node& v, SchemaNode& out) {
    if (!v.is_map()) return wrong(v, "expected a map of schemas");
    for (const Node::Member& m : v.members) out.properties.emplace(m.name, compile_at(m.value));
  }
  void pattern_properties(const Node& v, SchemaNode& out) {
    if (!v.is_map()) return wrong(v, "expected a map of patterns to schemas");
    for (const Node::Member& m : v.members) {
      if (auto p = pattern(m.value, m.name))
        out.pattern_properties.emplace_back(std::move(p), compile_at(m.value));
    }
  }
  void required(const Node& v, SchemaNode& out) {
    if (!v.is_list())
      return wrong(v, "expected a list of names (only what a parameter itself is may be true or false)");
    for (const Node& name : v.items) {
      if (!name.is_scalar() || name.kind == Node::Kind::null) wrong(name, "expected a name");
      out.required_at.emplace(name.text, static_cast<uint32_t>(out.required.size()));
      out.required.push_back(name.text);
    }
  }
  void multiple(const Node& v, SchemaNode& out) {
    std::optional<long double> of;
    number(v, of);
    if (of && *of <= 0) wrong(v, "expected a number above 0");
    if (of) out.multiple_of = Multiple::parse(v.text, *of);
  }
  void pattern_of(const Node& v, SchemaNode& out) {
    if (v.kind != Node::Kind::string) return wrong(v, "expected a pattern: text, between quotes");
    out.pattern = pattern(v, v.text);
  }
  void definitions(const Node& v,
                   SchemaNode&) {  // compiled also if nothing refers to them: their mistakes are told
    if (!v.is_map()) return wrong(v, "expected a map of schemas");
    for (const Node::Member& m : v.members) compile_at(m.value);
  }
  // JSON Schema Core, section 8.2.1: below the root it begins another document.
  void identifier(const Node& v) {
    if (!at_root_)
      wrong(v, "$id can stand at the root only: each $ref is from there (\"#/…\"); leave it away here");
  }
  void reference(const Node& v, SchemaNode& out) {
    const std::string_view text = v.text;
    if (v.kind != Node::Kind::string || !text.starts_with('#') || (text.size() > 1 && text[1] != '/')) {
      return wrong(v, "a $ref must be within the document: \"#\" or \"#/…\"");
    }
    const Node* at = schema_at(document_, text);
    if (at == nullptr) return wrong(v, fmt::format("there is nothing at {}", text::printable(v.text)));
    out.reference = compile_at(*at);
  }

  // A schema that comes back to itself without going into the value would never end.
  void refuse_circles() {
    std::vector<uint8_t> state(schema_->nodes_.size(), 0);  // 1: on the way, 2: done
    for (Index i = 0; i < schema_->nodes_.size(); ++i) {
      if (circle_from(i, state, 0)) {
        wrong(document_, "a $ref comes back to itself without going into the value");
        return;
      }
    }
  }
  bool circle_from(Index i, std::vector<uint8_t>& state, size_t depth) {
    if (state[i] == 2) return false;
    if (state[i] == 1 || depth > 256) return true;
    state[i] = 1;
    const SchemaNode& n = schema_->nodes_[i];
    std::vector<Index> next = n.all_of;
    next.insert(next.end(), n.any_of.begin(), n.any_of.end());
    next.insert(next.end(), n.one_of.begin(), n.one_of.end());
    if (n.reference != SchemaNode::none) next.push_back(n.reference);
    if (n.negated != SchemaNode::none) next.push_back(n.negated);
    for (const Index to : next) {
      if (circle_from(to, state, depth + 1)) return true;
    }
    state[i] = 2;
    return false;
  }

  const Node& document_;
  config::Problems& problems_;
  std::shared_ptr<Schema> schema_;
  bool whole_ = true;     // nothing was wrong so far
  bool at_root_ = false;  // of what is filled
  std::map<const Node*, Index> known_;
  std::vector<std::pair<const Node*, Index>> open_;
};

void SchemaCompiler::keyword(const Node::Member& m, SchemaNode& out) {
  struct Keyword {
    std::string_view name;
    void (*read)(SchemaCompiler&, const Node&, SchemaNode&);
  };
  using C = SchemaCompiler;
  using N = SchemaNode;
  static constexpr auto annotation = [](C&, const Node&, N&) {};
  static const std::array<Keyword, 40> keywords = {{
      {"$schema", annotation},
      {"$id", [](C& c, const Node& v, N&) { c.identifier(v); }},
      {"$comment", annotation},
      {"title", annotation},
      {"description", annotation},
      {"default", annotation},
      {"examples", annotation},
      {"deprecated", annotation},
      {"readOnly", annotation},
      {"writeOnly", annotation},
      {"$defs", [](C& c, const Node& v, N& n) { c.definitions(v, n); }},
      {"definitions", [](C& c, const Node& v, N& n) { c.definitions(v, n); }},
      {"$ref", [](C& c, const Node& v, N& n) { c.reference(v, n); }},
      {"type", [](C& c, const Node& v, N& n) { c.type(v, n); }},
      {"enum", [](C& c, const Node& v, N& n) { c.values(v, n); }},
      {"const", [](C& c, const Node& v, N& n) { c.constant(v, n); }},
      {"properties", [](C& c, const Node& v, N& n) { c.properties(v, n); }},
      {"patternProperties", [](C& c, const Node& v, N& n) { c.pattern_properties(v, n); }},
      {"additionalProperties", [](C& c, const Node& v, N& n) { n.additional = c.compile_at(v); }},
      {"propertyNames", [](C& c, const Node& v, N& n) { c.names(v, n); }},
      {"required", [](C& c, const Node& v, N& n) { c.required(v, n); }},
      {"minProperties", [](C& c, const Node& v, N& n) { c.size(v, n.min_properties); }},
      {"maxProperties", [](C& c, const Node& v, N& n) { c.size(v, n.max_properties); }},
      {"items", [](C& c, const Node& v, N& n) { n.items = c.compile_at(v); }},
      {"prefixItems", [](C& c, const Node& v, N& n) { c.list(v, n.prefix_items); }},
      {"minItems", [](C& c, const Node& v, N& n) { c.size(v, n.min_items); }},
      {"maxItems", [](C& c, const Node& v, N& n) { c.size(v, n.max_items); }},
      {"uniqueItems", [](C& c, const Node& v, N& n) { c.flag(v, n.unique_items); }},
      {"minimum", [](C& c, const Node& v, N& n) { c.number(v, n.minimum); }},
      {"maximum", [](C& c, const Node& v, N& n) { c.number(v, n.maximum); }},
      {"exclusiveMinimum", [](C& c, const Node& v, N& n) { c.number(v, n.above); }},
      {"exclusiveMaximum", [](C& c, const Node& v, N& n) { c.number(v, n.below); }},
      {"multipleOf", [](C& c, const Node& v, N& n) { c.multiple(v, n); }},
      {"minLength", [](C& c, const Node& v, N& n) { c.count(v, n.min_length); }},
      {"maxLength", [](C& c, const Node& v, N& n) { c.count(v, n.max_length); }},
      {"pattern", [](C& c, const Node& v, N& n) { c.pattern_of(v, n); }},
      {"allOf", [](C& c, const Node& v, N& n) { c.list(v, n.all_of); }},
      {"anyOf", [](C& c, const Node& v, N& n) { c.list(v, n.any_of); }},
      {"oneOf", [](C& c, const Node& v, N& n) { c.list(v, n.one_of); }},
      {"not", [](C& c, const Node& v, N& n) { n.negated = c.compile_at(v); }},
  }};
  std::vector<std::string> known;
  for (const Keyword& k : keywords) {
    if (k.name == m.name) return k.read(*this, m.value, out);
    known.emplace_back(k.name);
  }
  const auto near = text::nearest(m.name, known);
  wrong_at(m.mark, fmt::format("the keyword \"{}\" is not supported; {}", text::printable(m.name),
                               near ? fmt::format("did you mean \"{}\"?", *near)
                                    : fmt::format("those that are: {}", fmt::join(known, ", "))));
}

std::shared_ptr<const Schema> Schema::compile(const Node& document, config::Problems& problems) {
  return SchemaCompiler(document, problems).compile();
}

}  // namespace sallyport
