// JSON documents as Nodes (RFC 8259), with the place of every value. For files at load; requests are read by
// gateway/json.
#include <fmt/format.h>

#include <unordered_set>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/config/yaml.h"

namespace sallyport::config {
namespace {

class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view name, Problems& problems, const DocumentLimits& limits)
      : text_(text), file_(std::make_shared<const std::string>(name)), problems_(problems), limits_(limits) {}

  std::unique_ptr<Node> document() {
    if (text_.size() > limits_.bytes_max) return refuse("the file is too large"), nullptr;
    if (!text::is_utf8(text_)) return refuse("the file is not UTF-8"), nullptr;
    auto root = std::make_unique<Node>();
    space();
    if (!value(*root, 0)) return nullptr;
    space();
    if (at_ < text_.size()) return refuse("something follows the end of the document"), nullptr;
    return root;
  }

 private:
  bool refuse(std::string message) {
    problems_.add(mark(), std::move(message));
    return false;
  }
  Mark mark() const { return {file_, line_, static_cast<uint32_t>(at_ - line_start_ + 1)}; }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void space() {
    for (; at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_]); ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
        line_start_ = at_ + 1;
      }
    }
  }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  bool value(Node& out, size_t depth) {
    out.mark = mark();
    if (++nodes_ > limits_.nodes_max) return refuse("the document has too many values");
    if (depth > limits_.depth_max)
      return refuse(fmt::format("this is nested more than {} deep", limits_.depth_max));
    switch (peek()) {
      case '{':
        return object(out, depth);
      case '[':
        return list(out, depth);
      case '"':
        out.kind = Node::Kind::string;
        return string(out.text);
      case 't':
        return word(out, "true", Node::Kind::boolean);
      case 'f':
        return word(out, "false", Node::Kind::boolean);
      case 'n':
        return word(out, "null", Node::Kind::null);
      default:
        return number(out);
    }
  }
  bool word(Node& out, std::string_view expected, Node::Kind kind) {
    if (!text_.substr(at_).starts_with(expected)) return refuse("a value is expected here");
    at_ += expected.size();
    out.kind = kind;
    if (kind == Node::Kind::boolean) out.text = expected;
    return true;
  }
  bool object(Node& out, size_t depth) {
    out.kind = Node::Kind::map;
    ++at_;
    space();
    if (take('}')) return true;
    std::unordered_set<std::string> names;
    do {
      space();
      Node::Member member;
      member.mark = mark();
      if (peek() != '"') return refuse("a member's name in quotes is expected here");
      if (!string(member.name)) return false;
      if (!names.insert(member.name).second) {
        problems_.add(member.mark, fmt::format("\"{}\" is here twice", text::printable(member.name)));
        return false;
      }
      space();
      if (!take(':')) return refuse("\":\" is expected here");
      space();
      if (!value(member.value, depth + 1)) return false;
      out.members.push_back(std::move(member));
      space();
    } while (take(','));
    return take('}') || refuse("\",\" or \"}\" is expected here");
  }
  bool list(Node& out, size_t depth) {
    out.kind = Node::Kind::list;
    ++at_;
    space();
    if (take(']')) return true;
    do {
      space();
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      space();
    } while (take(','));
    return take(']') || refuse("\",\" or \"]\" is expected here");
  }
  bool number(Node& out) {
    const size_t start = at_;
    const auto digits = [&] {
      const size_t from = at_;
      while (text::is_digit(peek())) ++at_;
      return at_ > from;
    };
    take('-');
    const bool zero = peek() == '0';
    if (!digits() || (zero && at_ - start > (text_[start] == '-' ? 2U : 1U)))
      return refuse("a value is expected here");
    out.kind = Node::Kind::integer;
    if (take('.')) {
      out.kind = Node::Kind::number;
      if (!digits()) return refuse("a digit is expected here");
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      out.kind = Node::Kind::number;
      if (!take('-')) take('+');
      if (!digits()) return refuse("a digit is expected here");
    }
    out.text = text_.substr(start, at_ - start);
    return true;
  }
  bool string(std::string& out) {
    ++at_;
    for (;;) {
      if (at_ >= text_.size()) return refuse("the text in quotes does not end");
      const char c = text_[at_];
      if (static_cast<uint8_t>(c) < 0x20) return refuse("a control character in text must be escaped");
      ++at_;
      if (c == '"') return true;
      if (c != '\\') {
        out += c;
      } else if (!escape(out)) {
        return refuse("this escape does not exist");
      }
    }
  }
  bool escape(std::string& out) {
    constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    const char c = peek();
    ++at_;
    if (const size_t i = names.find(c); c != '\0' && i != names.npos) {
      out += values[i];
      return true;
    }
    if (c != 'u') return false;
    auto unit = code_unit();
    if (!unit || (*unit >= 0xdc00 && *unit <= 0xdfff)) return false;
    uint32_t point = *unit;
    if (point >= 0xd800 && point <= 0xdbff) {
      if (!take('\\') || !take('u')) return false;
      unit = code_unit();
      if (!unit || *unit < 0xdc00 || *unit > 0xdfff) return false;
      point = 0x10000 + ((point - 0xd800) << 10) + (*unit - 0xdc00);
    }
    append_utf8(out, point);
    return true;
  }
  std::optional<uint32_t> code_unit() {
    if (text_.size() - at_ < 4) return std::nullopt;
    const auto value = text::parse_hex(text_.substr(at_, 4));
    at_ += 4;
    if (!value) return std::nullopt;
    return static_cast<uint32_t>(*value);
  }
  static void append_utf8(std::string& out, uint32_t p) {
    if (p < 0x80) {
      out += static_cast<char>(p);
    } else if (p < 0x800) {
      out += static_cast<char>(0xc0 | p >> 6);
      out += static_cast<char>(0x80 | (p & 63));
    } else {
      if (p >= 0x10000) {
        out += static_cast<char>(0xf0 | p >> 18);
        out += static_cast<char>(0x80 | (p >> 12 & 63));
      } else {
        out += static_cast<char>(0xe0 | p >> 12);
      }
      out += static_cast<char>(0x80 | (p >> 6 & 63));
      out += static_cast<char>(0x80 | (p & 63));
    }
  }

  std::string_view text_;
  std::shared_ptr<const std::string> file_;
  Problems& problems_;
  const DocumentLimits& limits_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
  size_t nodes_ = 0;
};

void append_quoted(std::string& out, std::string_view s) {
  out += '"';
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<uint8_t>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

// YAML also writes +1, 01, .5 and 5. (RFC 8259 section 6 does not).
void append_number(std::string& out, std::string_view number) {
  const auto is_digit = [&](size_t at) {
    return at < number.size() && number[at] >= '0' && number[at] <= '9';
  };
  if (number.starts_with('-')) out += '-';
  if (number.starts_with('-') || number.starts_with('+')) number.remove_prefix(1);
  while (number.starts_with('0') && is_digit(1)) number.remove_prefix(1);
  if (!is_digit(0)) out += '0';
  for (size_t at = 0; at < number.size(); ++at) {
    out += number[at];
    if (number[at] == '.' && !is_digit(at + 1)) out += '0';
  }
}

void append_json(std::string& out, const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      out += "null";
      return;
    case Node::Kind::boolean:
      out += text::to_lower(node.text);
      return;
    case Node::Kind::integer:
    case Node::Kind::number:
      append_number(out, node.text);
      return;
    case Node::Kind::string:
      append_quoted(out, node.text);
      return;
    case Node::Kind::list:
      out += '[';
      for (const Node& item : node.items) {
        if (&item != &node.items.front()) out += ',';
        append_json(out, item);
      }
      out += ']';
      return;
    case Node::Kind::map:
      out += '{';
      for (const Node::Member& member : node.members) {
        if (&member != &node.members.front()) out += ',';
        append_quoted(out, member.name);
        out += ':';
        append_json(out, member.value);
      }
      out += '}';
      return;
  }
}

}  // namespace

std::unique_ptr<Node> parse_json(std::string_view text, std::string_view file_name, Problems& problems,
                                 const DocumentLimits& limits) {
  return JsonReader(text, file_name, problems, limits).document();
}

std::string to_json(const Node& node) {
  std::string out;
  append_json(out, node);
  return out;
}

}  // namespace sallyport::config
