#include "plugins/validate/equality.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "gateway/base/hash_index.h"

namespace sallyport {
namespace {

constexpr uint64_t bytes_a_step = 16;  // that are compared or hashed

bool is_number(json::Value v) noexcept { return v.is(json::Kind::integer) || v.is(json::Kind::number); }

bool same(json::Value a, json::Value b, Meter& meter);

bool same_members(json::Value a, json::Value b, Meter& meter) {
  for (const json::Object::Member m : a.object()) {
    meter.spend(b.size());
    const auto other = b.member(m.name);
    if (!other || !same(m.value, *other, meter)) return false;
  }
  return true;
}

bool same(json::Value a, json::Value b, Meter& meter) {
  if (!meter.spend()) return false;
  if (is_number(a) && is_number(b)) return number_of(a) == number_of(b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case json::Kind::boolean:
      return a.boolean() == b.boolean();
    case json::Kind::string:
      meter.spend(a.string().size() / bytes_a_step);
      return a.string() == b.string();
    case json::Kind::object:
      return a.size() == b.size() && same_members(a, b, meter);
    case json::Kind::array: {
      if (a.size() != b.size()) return false;
      auto other = b.array().begin();
      for (const json::Value item : a.array()) {
        if (!same(item, *other, meter)) return false;
        ++other;
      }
      return true;
    }
    default:
      return true;
  }
}

// A hash of what a value is, equal for equal values.
class ValueHash {
 public:
  ValueHash(const SipKey& key, Meter& meter) noexcept : key_(key), meter_(meter) {}

  uint64_t of(json::Value v) const {
    if (!meter_.spend(4)) return 0;
    switch (v.kind()) {
      case json::Kind::null:
        return mix(Tag::null, 0, 0);
      case json::Kind::boolean:
        return mix(Tag::boolean, v.boolean() ? 1 : 0, 0);
      case json::Kind::integer:
      case json::Kind::number:
        return of_number(v);
      case json::Kind::string:
        return mix(Tag::string, of_text(v.string()), 0);
      case json::Kind::array:
        return of_array(v);
      case json::Kind::object:
        return of_object(v);
    }
    return 0;
  }

 private:
  enum class Tag : uint64_t { null, boolean, whole, fraction, string, array, member, object };

  uint64_t mix(Tag tag, uint64_t a, uint64_t b) const noexcept {
    const std::array<uint64_t, 3> words = {static_cast<uint64_t>(tag), a, b};
    std::array<char, sizeof words> bytes;
    std::memcpy(bytes.data(), words.data(), sizeof words);
    return siphash(key_, {bytes.data(), bytes.size()});
  }
  uint64_t of_text(std::string_view s) const {
    meter_.spend(s.size() / bytes_a_step);
    return siphash(key_, s);
  }
  uint64_t of_number(json::Value v) const {
    const long double x = number_of(v);
    const long double size = std::fabs(x);
    if (size < 0x1p64L && std::trunc(x) == x)
      return mix(Tag::whole, x < 0 ? 1 : 0, static_cast<uint64_t>(size));
    return mix(Tag::fraction, std::bit_cast<uint64_t>(v.number()), 0);
  }
  uint64_t of_array(json::Value v) const {
    uint64_t all = 0;
    for (const json::Value item : v.array()) {
      if (meter_.exhausted()) break;
      all = mix(Tag::array, all, of(item));
    }
    return mix(Tag::array, all, v.size());
  }
  uint64_t of_object(json::Value v) const {
    uint64_t all = 0;  // a sum: in whatever order they stand
    for (const json::Object::Member m : v.object()) {
      if (meter_.exhausted()) break;
      all += mix(Tag::member, of_text(m.name), of(m.value));
    }
    return mix(Tag::object, all, v.size());
  }

  const SipKey& key_;
  Meter& meter_;
};

}  // namespace

long double number_of(json::Value v) noexcept {
  if (v.is(json::Kind::number)) return v.number();
  const json::Value::Integer i = v.integer();
  return i.negative ? -static_cast<long double>(i.magnitude) : static_cast<long double>(i.magnitude);
}

bool all_differ(json::Value array, const SipKey& key, Meter& meter) {
  if (array.size() < 2) return true;
  HashIndex index;
  index.reset(array.size());
  const ValueHash hash(key, meter);
  for (const json::Value item : array.array()) {
    if (meter.exhausted()) return true;
    const json::Value::Raw at = item.raw();  // its number is its place in the document
    const auto equals = [&](uint32_t other) { return same(item, json::Value({at.document, other}), meter); };
    if (index.meets(hash.of(item), static_cast<uint32_t>(at.index), equals)) return false;
  }
  return true;
}

bool Literal::equals(json::Value value, Meter& meter) const {
  if (!meter.spend()) return false;
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
        if (!(item++)->equals(v, meter)) return false;
      }
      return true;
    }
    case json::Kind::object:
      if (names.size() != value.size()) return false;
      for (size_t i = 0; i < names.size(); ++i) {
        const auto other = value.member(names[i]);
        if (!other || !items[i].equals(*other, meter)) return false;
      }
      return true;
    default:
      return true;
  }
}

void LiteralSet::add(Literal literal) {
  if (literal.kind == json::Kind::string) {
    texts_.insert(std::move(literal.text));
  } else if (literal.kind == json::Kind::number) {
    numbers_.insert(std::ranges::lower_bound(numbers_, literal.number), literal.number);
  } else {
    others_.push_back(std::move(literal));
  }
}

bool LiteralSet::contains(json::Value value, Meter& meter) const {
  if (value.is(json::Kind::string)) {
    meter.spend(1 + value.string().size() / bytes_a_step);
    return contains_text(value.string());
  }
  if (is_number(value)) return std::ranges::binary_search(numbers_, number_of(value));
  return std::ranges::any_of(others_, [&](const Literal& l) { return l.equals(value, meter); });
}

}  // namespace sallyport
