// JSON of strangers (RFC 8259), read strictly: UTF-8, no member twice, no depth, no number that does not fit.
// The only door to simdjson.
//
// A Parser belongs to one worker and is used again and again; a Document and its Values are good until its
// next parse.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/error.h"

namespace sallyport::json {

enum class Kind : uint8_t { null, boolean, integer, number, string, array, object };

class Array;
class Object;

// Adds one step to a pointer (RFC 6901 section 3). The name is a stranger's: behind 64 bytes it is cut ("…").
void append_step(std::string& pointer, std::string_view name);

// A value within a document; small, copied freely.
class Value {
 public:
  Kind kind() const noexcept;
  bool is(Kind k) const noexcept { return kind() == k; }
  // Of the kind that is asked for; anything else is a bug.
  bool boolean() const noexcept;
  std::string_view string() const noexcept;
  // A number of either kind. An integer is exact: negative tells the sign, magnitude the rest.
  struct Integer {
    bool negative = false;
    uint64_t magnitude = 0;
    bool operator==(const Integer&) const = default;
  };
  Integer integer() const noexcept;
  double number() const noexcept;  // an integer's nearest, too
  size_t size() const noexcept;    // of an array or object
  Array array() const noexcept;
  Object object() const noexcept;
  // The member of an object, or nothing; nothing also if this is no object.
  std::optional<Value> member(std::string_view name) const noexcept;

  struct Raw {  // simdjson's element
    const void* document = nullptr;
    size_t index = 0;
  };
  explicit Value(Raw raw) noexcept : raw_(raw) {}
  Raw raw() const noexcept { return raw_; }

 private:
  Raw raw_;
};

class Array {
 public:
  class Iterator {
   public:
    explicit Iterator(Value::Raw at) noexcept : at_(at) {}
    Value operator*() const noexcept { return Value(at_); }
    Iterator& operator++() noexcept;
    bool operator!=(const Iterator& other) const noexcept { return at_.index != other.at_.index; }

   private:
    Value::Raw at_;
  };
  Array(Value::Raw first, Value::Raw last) noexcept : begin_(first), end_(last) {}
  Iterator begin() const noexcept { return begin_; }
  Iterator end() const noexcept { return end_; }

 private:
  Iterator begin_, end_;
};

class Object {
 public:
  struct Member {
    std::string_view name;
    Value value;
  };
  class Iterator {
   public:
    explicit Iterator(Value::Raw at) noexcept : at_(at) {}
    Member operator*() const noexcept;
    Iterator& operator++() noexcept;
    bool operator!=(const Iterator& other) const noexcept { return at_.index != other.at_.index; }

   private:
    Value::Raw at_;
  };
  Object(Value::Raw first, Value::Raw last) noexcept : begin_(first), end_(last) {}
  Iterator begin() const noexcept { return begin_; }
  Iterator end() const noexcept { return end_; }

 private:
  Iterator begin_, end_;
};

struct Limits {
  size_t bytes_max;
  size_t depth_max = 64;  // arrays and objects in each other; 256 at most
};

class Parser {
 public:
  // The limits of parse(text); a parser without any is told them each time.
  explicit Parser(size_t bytes_max = 0, size_t depth_max = 64);
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  // What it takes of memory at most, while it reads a document of so many bytes and somebody looks at it.
  static constexpr size_t memory_for(size_t bytes) noexcept {
    return bytes <= kept_max ? 0 : bytes * memory_a_byte;
  }
  // Errors: invalid_data, with a slug (malformed_json, not_utf8, duplicate_member, too_deep,
  // bad_number, too_large) and a detail that says what is wrong, not what was sent.
  Result<Value> parse(std::string_view text);
  Result<Value> parse(std::string_view text, const Limits& limits);  // others, for this document
  // Of the last document that was refused for a member that is there twice: which one (RFC 6901).
  const std::string& duplicate() const noexcept;

  // Gives the memory back that a document larger than `kept_max` took; its Values are gone then.
  static constexpr size_t kept_max = 256 * 1024;
  static constexpr size_t memory_a_byte = 24;
  void shrink() noexcept;
  // The largest document that takes no new memory.
  size_t capacity() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The first byte by which a text is no JSON document, whatever its depth and its numbers' size; its size if
// it only breaks off, and nothing if it is one. To tell a client what is wrong, never to decide.
std::optional<size_t> malformed_at(std::string_view text) noexcept;

}  // namespace sallyport::json
