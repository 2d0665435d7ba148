// Node: a YAML or JSON document as plain data, with the place of every value, so that an error can name it.
//
// Built once (yaml.h, json_file.h), immutable afterwards, and so safe to read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::config {

// Where a value stands. Line and column start at 1; 0 means "the file as a whole".
struct Mark {
  std::shared_ptr<const std::string> file;  // as it is shown in messages
  uint32_t line = 0;
  uint32_t column = 0;
};

class Node {
 public:
  enum class Kind : uint8_t { null, boolean, integer, number, string, list, map };
  struct Member;

  Kind kind = Kind::null;
  Mark mark;
  // integer, number, boolean: as written; string: its value. A YAML plain scalar that reads as a number has a
  // number's kind; a quoted one is always a string.
  std::string text;
  std::vector<Node> items;      // of a list
  std::vector<Member> members;  // of a map, in the order of the file; names are unique

  bool is_map() const noexcept { return kind == Kind::map; }
  bool is_list() const noexcept { return kind == Kind::list; }
  bool is_scalar() const noexcept { return kind != Kind::map && kind != Kind::list; }
  // The member called `name` of a map, or null.
  const Node* find(std::string_view name) const noexcept;
};

struct Node::Member {
  std::string name;
  Mark mark;  // of the name
  Node value;
};

std::string_view to_string(Node::Kind kind) noexcept;

}  // namespace sallyport::config
