// Schema: a JSON Schema (draft 2020-12), compiled when the config is loaded. Immutable; any thread.
//
// Understood: boolean schemas; type enum const; properties required additionalProperties patternProperties
// propertyNames minProperties maxProperties; items prefixItems minItems maxItems uniqueItems; minimum maximum
// exclusiveMinimum exclusiveMaximum multipleOf; minLength maxLength pattern (RE2); $ref within the document,
// $defs; allOf anyOf oneOf not; $id at the root. Annotations ($schema $comment title description default
// examples deprecated readOnly writeOnly) say nothing here. Any other keyword is an error at load, never
// ignored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/base/meter.h"
#include "gateway/base/pattern.h"
#include "gateway/base/siphash.h"
#include "gateway/config/node.h"
#include "gateway/config/problems.h"
#include "gateway/core/plugin.h"
#include "gateway/json/json.h"
#include "plugins/validate/equality.h"
#include "plugins/validate/multiple.h"

namespace sallyport {

// What a $ref within the document ("#/…") refers to; null: nothing is there.
const config::Node* schema_at(const config::Node& document, std::string_view reference);

// One schema or subschema; others are referred to by their index.
struct SchemaNode {
  using Index = uint32_t;
  static constexpr Index none = ~Index{0};
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };

  bool nothing = false;   // the schema `false`
  bool simple = false;    // the type and the keywords of that type are all there is
  bool text = false;      // and it is a string, of some length
  bool branches = false;  // it asks several subschemas about one value
  uint32_t types = 0;     // a bit for each json::Kind; 0: any. integer: also a number without a fraction
  std::optional<LiteralSet> values;  // enum, const
  std::optional<long double> minimum, maximum, above, below;
  std::optional<Multiple> multiple_of;
  std::optional<uint64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  std::shared_ptr<const Pattern> pattern;
  bool unique_items = false;
  std::unordered_map<std::string, Index, NameHash, std::equal_to<>> properties;
  std::vector<std::pair<std::shared_ptr<const Pattern>, Index>> pattern_properties;
  Index additional = none, names = none, items = none, reference = none, negated = none;
  std::vector<Index> prefix_items, all_of, any_of, one_of;
  std::vector<std::string> required;
  std::unordered_map<std::string, uint32_t, NameHash, std::equal_to<>> required_at;  // the same names
};

class Schema {
 public:
  // Null, with problems at the marks of what is wrong.
  static std::shared_ptr<const Schema> compile(const config::Node& document, config::Problems& problems);

  // True if the value matches. Otherwise violations has what is wrong, the first ten; pointers begin with
  // `prefix`. The meter counts the work; if it is exhausted then, nothing is known but that the value has not
  // been found to match.
  bool check(json::Value value, Meter& meter, std::vector<Violation>* violations,
             std::string_view prefix = {}) const;

  // True if the schema asks for text (or does not say): a parameter is then taken as it is, else read as a
  // number, true or false.
  bool takes_text() const noexcept;
  // True if it names the type number, not only integer.
  bool takes_fractions() const noexcept;

 private:
  friend class SchemaCompiler;
  friend class SchemaCheck;
  std::vector<SchemaNode> nodes_;  // the first is the root
  SipKey key_{};                   // of the hashes by which equal items are found
};

}  // namespace sallyport
