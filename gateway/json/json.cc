#include "gateway/json/json.h"

#include <simdjson.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "gateway/base/hash_index.h"
#include "gateway/base/siphash.h"
#include "gateway/base/text.h"

namespace sallyport::json {
namespace {

using simdjson::internal::tape_ref;
using simdjson::internal::tape_type;

tape_ref tape(Value::Raw raw) noexcept {
  return {static_cast<const simdjson::dom::document*>(raw.document), raw.index};
}
Value::Raw next(Value::Raw raw, size_t index) noexcept { return {raw.document, index}; }

enum class Fault : uint8_t { none, too_deep, duplicate_member };

constexpr size_t pairwise_max = 16;  // members compared each with each; more are hashed
constexpr size_t deepest =
    256;  // what simdjson is made for; each document's own limit is looked at behind it

std::unexpected<Error> too_deep() {
  return fail(Code::invalid_data, "too_deep", "the document is nested too deep");
}

bool is_nested(Value v) noexcept {
  const tape_type type = tape(v.raw()).tape_ref_type();
  return type == tape_type::START_OBJECT || type == tape_type::START_ARRAY;
}

}  // namespace

void append_step(std::string& pointer, std::string_view name) {
  constexpr size_t step_max = 64;
  pointer += '/';
  for (const char c : text::shortened(name, step_max)) {
    if (c == '~' || c == '/')
      pointer += c == '~' ? "~0" : "~1";
    else
      pointer += c;
  }
}

Kind Value::kind() const noexcept {
  switch (tape(raw_).tape_ref_type()) {
    case tape_type::START_OBJECT:
      return Kind::object;
    case tape_type::START_ARRAY:
      return Kind::array;
    case tape_type::STRING:
      return Kind::string;
    case tape_type::INT64:
    case tape_type::UINT64:
      return Kind::integer;
    case tape_type::DOUBLE:
      return Kind::number;
    case tape_type::TRUE_VALUE:
    case tape_type::FALSE_VALUE:
      return Kind::boolean;
    default:
      return Kind::null;
  }
}

bool Value::boolean() const noexcept { return tape(raw_).is_true(); }
std::string_view Value::string() const noexcept { return tape(raw_).get_string_view(); }

Value::Integer Value::integer() const noexcept {
  const tape_ref at = tape(raw_);
  if (at.is_uint64()) return {false, at.next_tape_value<uint64_t>()};
  const auto value = at.next_tape_value<int64_t>();
  return {value < 0, value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value)};
}

double Value::number() const noexcept {
  const tape_ref at = tape(raw_);
  if (at.is_double()) return at.next_tape_value<double>();
  const Integer i = integer();
  return i.negative ? -static_cast<double>(i.magnitude) : static_cast<double>(i.magnitude);
}

size_t Value::size() const noexcept { return tape(raw_).scope_count(); }

Array Value::array() const noexcept {
  return {next(raw_, raw_.index + 1), next(raw_, tape(raw_).after_element() - 1)};
}
Object Value::object() const noexcept {
  return {next(raw_, raw_.index + 1), next(raw_, tape(raw_).after_element() - 1)};
}

std::optional<Value> Value::member(std::string_view name) const noexcept {
  if (!is(Kind::object)) return std::nullopt;
  for (const Object::Member m : object()) {
    if (m.name == name) return m.value;
  }
  return std::nullopt;
}

Array::Iterator& Array::Iterator::operator++() noexcept {
  at_.index = tape(at_).after_element();
  return *this;
}
Object::Member Object::Iterator::operator*() const noexcept {
  return {tape(at_).get_string_view(), Value(next(at_, at_.index + 1))};
}
Object::Iterator& Object::Iterator::operator++() noexcept {
  at_.index = tape(next(at_, at_.index + 1)).after_element();
  return *this;
}

struct Parser::Impl {
  explicit Impl(const Limits& usual) : limits(usual) {
    if (getrandom(key.data(), sizeof key, 0) != static_cast<ssize_t>(sizeof key)) std::abort();
  }
  simdjson::dom::parser parser;
  std::vector<char> padded;
  std::vector<std::string_view> names;
  HashIndex index;
  SipKey key;
  Limits limits;

  std::string duplicate;  // its pointer

  std::optional<std::string_view> duplicate_of(const Object& object);
  // What is wrong with an array or object and all that is in it.
  Fault fault(Value value, size_t depth_left);
};

// The name that two members of one object have, once their escapes are read. Linear, whatever is sent.
std::optional<std::string_view> Parser::Impl::duplicate_of(const Object& object) {
  names.clear();
  for (const Object::Member m : object) {
    if (names.size() < pairwise_max && std::ranges::find(names, m.name) != names.end()) return m.name;
    names.push_back(m.name);
  }
  if (names.size() <= pairwise_max) return std::nullopt;
  index.reset(names.size());
  for (uint32_t i = 0; i < names.size(); ++i) {
    const auto same = [&](uint32_t other) { return names[i] == names[other]; };
    if (index.meets(siphash(key, names[i]), i, same)) return names[i];
  }
  return std::nullopt;
}

Fault Parser::Impl::fault(Value value, size_t depth_left) {
  if (depth_left == 0) return Fault::too_deep;
  const auto within = [&](Value nested, auto name) {
    const Fault found = fault(nested, depth_left - 1);
    if (found != Fault::duplicate_member) return found;
    std::string step;
    append_step(step, name());
    duplicate.insert(0, step);
    return found;
  };
  Fault found = Fault::none;
  if (value.is(Kind::array)) {
    size_t at = 0;
    for (const Value item : value.array()) {
      if (is_nested(item)) found = within(item, [&] { return std::to_string(at); });
      if (found != Fault::none) return found;
      ++at;
    }
    return found;
  }
  const Object object = value.object();
  if (const auto twice = duplicate_of(object)) {
    duplicate.clear();
    append_step(duplicate, *twice);
    return Fault::duplicate_member;
  }
  for (const Object::Member m : object) {
    if (is_nested(m.value)) found = within(m.value, [&] { return m.name; });
    if (found != Fault::none) return found;
  }
  return found;
}

Parser::Parser(size_t bytes_max, size_t depth_max)
    : impl_(std::make_unique<Impl>(Limits{bytes_max, depth_max})) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

const std::string& Parser::duplicate() const noexcept { return impl_->duplicate; }
size_t Parser::capacity() const noexcept {
  return std::max(impl_->parser.capacity(), impl_->padded.capacity());
}

void Parser::shrink() noexcept {
  Impl& i = *impl_;
  if (i.parser.capacity() <= kept_max) return;
  i.parser = simdjson::dom::parser();
  std::vector<char>().swap(i.padded);  // an assignment would keep its memory
  std::vector<std::string_view>().swap(i.names);
  i.index.release();
}

Result<Value> Parser::parse(std::string_view text) { return parse(text, impl_->limits); }

Result<Value> Parser::parse(std::string_view text, const Limits& limits) {
  Impl& i = *impl_;
  if (text.empty()) return fail(Code::invalid_data, "malformed_json", "there is no JSON document");
  if (text.size() > limits.bytes_max)
    return fail(Code::invalid_data, "too_large", "the JSON document is too large");
  if (i.padded.size() < text.size() + simdjson::SIMDJSON_PADDING)
    i.padded.resize(text.size() + simdjson::SIMDJSON_PADDING);
  std::memcpy(i.padded.data(), text.data(), text.size());
  std::memset(i.padded.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
  if (i.parser.capacity() < text.size()) {
    if (i.parser.allocate(std::max<size_t>(text.size(), 4096), deepest + 1) != simdjson::SUCCESS) {
      return fail(Code::internal, "no_memory", "there is no memory for the document");
    }
  }
  simdjson::dom::element root;
  const auto error = i.parser.parse(i.padded.data(), text.size(), false).get(root);
  switch (error) {
    case simdjson::SUCCESS:
      break;
    case simdjson::UTF8_ERROR:
      return fail(Code::invalid_data, "not_utf8", "the document is not UTF-8");
    case simdjson::DEPTH_ERROR:
      return too_deep();
    case simdjson::NUMBER_ERROR:
      return fail(Code::invalid_data, "bad_number", "a number is malformed or out of range");
    default:
      return fail(Code::invalid_data, "malformed_json", "the document is not well-formed JSON");
  }
  const Value value({&i.parser.doc, 1});
  switch (is_nested(value) ? i.fault(value, limits.depth_max) : Fault::none) {
    case Fault::too_deep:
      return too_deep();
    case Fault::duplicate_member:
      return fail(Code::invalid_data, "duplicate_member", "an object has two members of one name");
    case Fault::none:
      break;
  }
  return value;
}

}  // namespace sallyport::json
