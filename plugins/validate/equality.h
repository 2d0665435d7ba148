// Equality of JSON values as JSON Schema has it: numbers by value (1 and 1.0), members in any order. What it
// costs is counted by a meter: when that runs out, an answer is worth nothing, and whoever owns it refuses.
//
// Pure functions, and immutable sets; any thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "gateway/base/meter.h"
#include "gateway/base/siphash.h"
#include "gateway/json/json.h"

namespace sallyport {

// Exact: wide enough for every 64-bit integer and every double.
long double number_of(json::Value number) noexcept;

// True if no two items of the array are equal; linear.
bool all_differ(json::Value array, const SipKey& key, Meter& meter);

// A JSON value of a schema itself.
struct Literal {
  json::Kind kind = json::Kind::null;
  bool boolean = false;
  long double number = 0;
  std::string text;
  std::vector<Literal> items;      // of an array; of an object, in the order of names
  std::vector<std::string> names;  // of an object's members

  bool equals(json::Value value, Meter& meter) const;
};

// Those of an enum or a const. Texts and numbers are found without comparing each.
class LiteralSet {
 public:
  void add(Literal literal);
  bool contains(json::Value value, Meter& meter) const;
  bool contains_text(std::string_view text) const { return texts_.contains(text); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> texts_;
  std::vector<long double> numbers_;  // sorted
  std::vector<Literal> others_;
};

}  // namespace sallyport
