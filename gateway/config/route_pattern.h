// PathPattern: the path of a route, as the config writes it: "/orders/{id}", "/files/{rest...}".
//
// A value; immutable once parsed; any thread. The router builds its tree from the segments, and load compares
// the shapes to find two routes that would match the same requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/error.h"

namespace sallyport::config {

class Reader;
class Writer;

struct Segment {
  enum class Kind : uint8_t {
    literal,  // exactly this text
    param,    // {name}: one segment, not an empty one
    rest,     // {name...}: all that remains, also nothing: "/f/{r...}" takes "/f" too; always the last
  };
  Kind kind = Kind::literal;
  // Of a literal: the text as it stands in a canonical path (http/uri.h), so percent-encoded where that is.
  // Else the name.
  std::string text;
  bool operator==(const Segment&) const = default;
};

// The path is "/" + the segments joined with "/" + (trailing_slash ? "/" : ""), but "/" alone for no
// segments: then trailing_slash is false. "/orders" and "/orders/" are two different paths.
struct PathPattern {
  static constexpr size_t params_max = 16;
  static constexpr size_t segments_max = 64;
  static constexpr size_t bytes_max = 2048;

  std::string text;  // as written
  std::vector<Segment> segments;
  bool trailing_slash = false;

  // Errors: invalid_data, with a detail that says what is wrong with the pattern.
  static Result<PathPattern> parse(std::string_view text);

  // The pattern with the names of its parameters left out: equal for two patterns that match the same paths.
  std::string shape() const;

  // How it is read from and written to the config: as one string.
  bool shorthand(Reader& reader);
  bool shorthand(Writer& writer) const;
  template <class IO>
  void fields(IO&) {}
  void check(Reader& reader);
};

}  // namespace sallyport::config
