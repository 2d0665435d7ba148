#include <fmt/format.h>

#include <algorithm>

#include "gateway/base/text.h"
#include "gateway/config/reader.h"

namespace sallyport::config {
namespace {

Node scalar(Node::Kind kind, std::string text) {
  Node node;
  node.kind = kind;
  node.text = std::move(text);
  return node;
}

// "10s", "64KiB", "100/1m": no reader of YAML takes these for numbers.
bool is_quantity(std::string_view s) {
  const size_t digits = std::min(s.find_first_not_of("0123456789"), s.size());
  if (digits == 0) return false;
  const std::string_view unit = s.substr(digits);
  if (unit.starts_with('/')) return is_quantity(unit.substr(1));
  constexpr std::array<std::string_view, 9> units = {"ms", "s", "m", "h", "d", "B", "KiB", "MiB", "GiB"};
  return std::ranges::find(units, unit) != units.end();
}

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string inline_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "null";
    case Node::Kind::string:
      return is_plain_text(node.text) ? node.text : quoted(node.text);
    case Node::Kind::list:
      return "[]";
    case Node::Kind::map:
      return "{}";
    default:
      return node.text;
  }
}

// With the mark of an explicit key if it is longer than YAML lets others be (1.2.2 section 7.4.2).
std::string key(const std::string& name, size_t indent) {
  if (is_plain_text(name)) return name;
  std::string text = quoted(name);
  if (text.size() < 1000) return text;
  return "? " + text + '\n' + std::string(indent, ' ');
}

bool is_block(const Node& node) { return !node.items.empty() || !node.members.empty(); }

bool is_short_list(const Node& node) {
  return node.is_list() && node.items.size() <= 8 && std::ranges::all_of(node.items, &Node::is_scalar);
}

std::string short_list(const Node& node) {
  std::string out = "[";
  for (const Node& item : node.items) out += (out.size() > 1 ? ", " : "") + inline_text(item);
  return out + "]";
}

void emit(std::string& out, const Node& node, size_t indent, bool first_is_placed);

void emit_after(std::string& out, const Node& value, size_t indent) {
  if (is_short_list(value)) {
    out += " " + short_list(value) + "\n";
  } else if (is_block(value)) {
    out += "\n";
    emit(out, value, indent, false);
  } else {
    out += " " + inline_text(value) + "\n";
  }
}

// first_is_placed: the cursor stands where the first line begins, behind a "- ".
void emit(std::string& out, const Node& node, size_t indent, bool first_is_placed) {
  for (const Node::Member& member : node.members) {
    if (!first_is_placed) out.append(indent, ' ');
    first_is_placed = false;
    out += key(member.name, indent) + ":";
    emit_after(out, member.value, indent + 2);
  }
  for (const Node& item : node.items) {
    if (!first_is_placed) out.append(indent, ' ');
    first_is_placed = false;
    out += "-";
    if (item.is_map() && is_block(item)) {
      out += " ";
      emit(out, item, indent + 2, true);
    } else {
      emit_after(out, item, indent + 2);
    }
  }
}

}  // namespace

bool is_plain_text(std::string_view s) {
  // a table, because a key file has millions of them
  static constexpr std::array<bool, 256> ordinary = [] {
    std::array<bool, 256> table{};
    for (int c = 0; c < 128; ++c)
      table[static_cast<size_t>(c)] =
          text::is_alpha(static_cast<char>(c)) || text::is_digit(static_cast<char>(c));
    for (const char c : {'_', '/', '.', '-', ':'}) table[static_cast<uint8_t>(c)] = true;
    return table;
  }();
  if (s.empty() || s.size() > 200) return false;
  if (!text::is_alpha(s.front()) && s.front() != '/') return is_quantity(s);
  if (s.back() == ':' || !std::ranges::all_of(s, [](char c) { return ordinary[static_cast<uint8_t>(c)]; }))
    return false;
  constexpr std::array<std::string_view, 8> words = {"null", "true", "false", "yes", "no", "on", "off", "y"};
  return std::ranges::none_of(words, [&](std::string_view w) { return text::iequals(w, s); });
}

// Where the next value goes: the root, a new member of the open map, or a new item of the open list.
Node& Writer::place() {
  if (open_.empty()) return root_;
  Node& top = *open_.back();
  if (top.is_list()) return top.items.emplace_back();
  Node::Member& member = top.members.emplace_back();
  member.name = keys_.back();
  return member.value;
}

void Writer::begin_map() {
  Node& node = place();
  node.kind = Node::Kind::map;
  open_.push_back(&node);
}
void Writer::end_map() { open_.pop_back(); }
void Writer::begin_list() {
  Node& node = place();
  node.kind = Node::Kind::list;
  open_.push_back(&node);
}
void Writer::begin_item() {}
void Writer::end_list() { open_.pop_back(); }
void Writer::begin_key(std::string_view key) { keys_.emplace_back(key); }
void Writer::end_key() { keys_.pop_back(); }
void Writer::nothing() {}

void Writer::text_value(std::string_view v) { place() = scalar(Node::Kind::string, std::string(v)); }
void Writer::value(const bool& v) { place() = scalar(Node::Kind::boolean, v ? "true" : "false"); }
void Writer::value(const std::string& v) { text_value(v); }
void Writer::value(const uint64_t& v) { place() = scalar(Node::Kind::integer, std::to_string(v)); }
void Writer::value(const Duration& v) { text_value(sallyport::to_string(v)); }
void Writer::value(const Bytes& v) { text_value(sallyport::to_string(v)); }
void Writer::value(const Rate& v) { text_value(sallyport::to_string(v)); }
void Writer::value(const FilePath& v) { text_value(v.shown); }
void Writer::value(const Secret& v) { text_value(v.reference); }
void Writer::value(const Raw& v) {
  if (v != nullptr) place() = *v;
}

std::string Writer::text() const {
  std::string out;
  if (is_block(root_))
    emit(out, root_, 0, false);
  else
    out = inline_text(root_) + "\n";
  return out;
}

}  // namespace sallyport::config
