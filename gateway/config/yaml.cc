#include "gateway/config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/config/yaml_remedy.h"

namespace sallyport::config {
namespace {

// Thrown inside yaml-cpp's parser, caught at the fence below.
struct Refused {
  YAML::Mark mark;
  std::string message;
};

// The kind of a plain scalar by YAML 1.2's core schema (section 10.3.2).
Node::Kind kind_of_plain(const std::string& s) {
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return Node::Kind::null;
  if (s == "true" || s == "false" || s == "True" || s == "False" || s == "TRUE" || s == "FALSE")
    return Node::Kind::boolean;
  std::string_view digits = s;
  if (digits.front() == '-' || digits.front() == '+') digits.remove_prefix(1);
  if (digits.empty()) return Node::Kind::string;
  if (digits.find_first_not_of("0123456789") == digits.npos) return Node::Kind::integer;
  size_t at = 0;
  size_t mantissa = 0;
  bool dot = false;
  for (; at < digits.size() && (text::is_digit(digits[at]) || (digits[at] == '.' && !dot)); ++at) {
    if (digits[at] == '.')
      dot = true;
    else
      ++mantissa;
  }
  if (mantissa == 0) return Node::Kind::string;
  if (at == digits.size()) return Node::Kind::number;
  if (digits[at] != 'e' && digits[at] != 'E') return Node::Kind::string;
  if (++at < digits.size() && (digits[at] == '+' || digits[at] == '-')) ++at;
  const std::string_view exponent = digits.substr(at);
  return exponent.empty() || exponent.find_first_not_of("0123456789") != exponent.npos ? Node::Kind::string
                                                                                       : Node::Kind::number;
}

// Numbers of the core schema that are none here.
bool is_other_number(std::string_view s) {
  if (s.starts_with('-') || s.starts_with('+')) s.remove_prefix(1);
  const auto all_of = [&](std::string_view digits) {
    return s.size() > 2 && s.find_first_not_of(digits, 2) == s.npos;
  };
  if (s.starts_with("0x")) return all_of("0123456789abcdefABCDEF");
  if (s.starts_with("0o")) return all_of("01234567");
  return text::iequals(s, ".inf") || text::iequals(s, ".nan");
}

// Builds Nodes out of the parser's events, within limits.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::shared_ptr<const std::string> file, const DocumentLimits& limits)
      : file_(std::move(file)), limits_(limits) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    leaf(mark, anchor, Node::Kind::null, "");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool quoted = tag == "!";
    if (!quoted && !tag.empty() && tag != "?" && tag != "tag:yaml.org,2002:str") {
      throw Refused{mark,
                    "tags are not understood here: a value that begins with \"!\" is written between quotes"};
    }
    if (!text::is_utf8(value)) throw Refused{mark, "this is not UTF-8"};
    const bool plain = tag.empty() || tag == "?";
    if (plain && is_other_number(value))
      throw Refused{mark,
                    fmt::format("{} is a number to others who read YAML: write it in decimal, or between "
                                "quotes if it is text",
                                text::printable(value))};
    const Node::Kind kind = plain ? kind_of_plain(value) : Node::Kind::string;
    leaf(mark, anchor, kind, kind == Node::Kind::null ? "" : value);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      throw Refused{mark, "this alias refers to something that is not complete yet"};
    if (expects_name())
      throw Refused{mark, "an alias cannot be a key: write a key that begins with \"*\" between quotes"};
    add(mark, found->second, open_.size());
    place(found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

  Node root;

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_name = false;
    std::string name;
    Mark name_mark;
    std::set<std::string, std::less<>> names;
  };

  Mark mark_of(const YAML::Mark& mark) const {
    return {file_, static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
  }
  void count(const YAML::Mark& mark, size_t bytes) {
    if (++nodes_ > limits_.nodes_max)
      throw Refused{mark, fmt::format("the document has more than {} values", limits_.nodes_max)};
    bytes_ += bytes;
    if (bytes_ > limits_.bytes_max)
      throw Refused{mark, fmt::format("the document has more than {} bytes of text", limits_.bytes_max)};
  }
  void check_depth(const YAML::Mark& mark, size_t depth) const {
    if (depth >= limits_.depth_max)
      throw Refused{mark, fmt::format("this is nested more than {} deep", limits_.depth_max)};
  }
  // What an alias repeats costs what it would cost if it were written out.
  void add(const YAML::Mark& mark, const Node& node, size_t depth) {
    count(mark, node.text.size());
    if (!node.is_scalar()) check_depth(mark, depth);
    for (const Node& item : node.items) add(mark, item, depth + 1);
    for (const Node::Member& member : node.members) {
      bytes_ += member.name.size();
      add(mark, member.value, depth + 1);
    }
  }
  bool expects_name() const { return !open_.empty() && open_.back().node.is_map() && !open_.back().has_name; }

  void leaf(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind, const std::string& value) {
    count(mark, value.size());
    if (expects_name()) {
      if (kind == Node::Kind::null)
        throw Refused{mark, "a key that YAML reads as nothing (null, ~) is written between quotes"};
      if (value == "<<") throw Refused{mark, "merge keys (<<) are not understood here; write the keys out"};
      Open& top = open_.back();
      if (!top.names.insert(value).second) {
        const auto first = std::ranges::find(top.node.members, value, &Node::Member::name);
        throw Refused{mark, fmt::format("\"{}\" is here twice: it is at line {} already; put what belongs "
                                        "together under one of them",
                                        text::printable(value), first->mark.line)};
      }
      top.has_name = true;
      top.name = value;
      top.name_mark = mark_of(mark);
      return;
    }
    Node node;
    node.kind = kind;
    // For one that is not written the parser gives the place of whatever comes next.
    node.mark = mark_of(mark);
    const bool is_value = !open_.empty() && open_.back().node.is_map();
    if (kind == Node::Kind::null && is_value && node.mark.line != open_.back().name_mark.line)
      node.mark = open_.back().name_mark;
    node.text = value;
    if (anchor != 0) anchors_[anchor] = node;
    place(std::move(node));
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind) {
    count(mark, 0);
    if (expects_name())
      throw Refused{mark, "a key must be text: write one that begins with { or [ between quotes"};
    check_depth(mark, open_.size());  // before the parser recurses
    Open opened;
    opened.node.kind = kind;
    opened.node.mark = mark_of(mark);
    opened.anchor = anchor;
    open_.push_back(std::move(opened));
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = done.node;
    place(std::move(done.node));
  }
  void place(Node node) {
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node.is_list()) {
      top.node.items.push_back(std::move(node));
      return;
    }
    top.has_name = false;
    top.node.members.push_back({std::move(top.name), top.name_mark, std::move(node)});
  }

  std::shared_ptr<const std::string> file_;
  const DocumentLimits& limits_;
  size_t nodes_ = 0;
  size_t bytes_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
};

std::unique_ptr<Node> refuse(Problems& problems, const std::shared_ptr<const std::string>& file,
                             const YAML::Mark& mark, std::string message) {
  problems.add({file, static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)},
               std::move(message));
  return nullptr;
}

}  // namespace

std::unique_ptr<Node> parse_yaml(std::string_view text, std::string_view file_name, Problems& problems,
                                 const DocumentLimits& limits) {
  auto file = std::make_shared<const std::string>(file_name);
  if (text.size() > limits.bytes_max) return refuse(problems, file, YAML::Mark(), "the file is too large");
  if (text.find('\0') != text.npos)
    return refuse(problems, file, YAML::Mark(), "the file has a NUL byte in it");
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(file, limits);
    if (!parser.HandleNextDocument(builder)) return refuse(problems, file, YAML::Mark(), "the file is empty");
    auto root = std::make_unique<Node>(std::move(builder.root));
    Builder second(file, limits);
    if (parser.HandleNextDocument(second))
      return refuse(problems, file, YAML::Mark(), "the file has more than one document");
    if (root->mark.file == nullptr) root->mark = {file, 1, 1};
    return root;
  } catch (const Refused& refused) {
    return refuse(problems, file, refused.mark, refused.message);
  } catch (const YAML::Exception& e) {
    return refuse(
        problems, file, e.mark,
        with_remedy(e.msg, text, static_cast<size_t>(e.mark.line), static_cast<size_t>(e.mark.column)));
  } catch (const std::exception&) {
    return refuse(problems, file, YAML::Mark(), "the file cannot be read as YAML");
  }
}

std::unique_ptr<Node> read_document(const std::string& path, std::string_view shown_name, Problems& problems,
                                    const DocumentLimits& limits) {
  Result<std::string> content = read_file(path, limits.bytes_max);
  if (!content) {
    problems.add({std::make_shared<const std::string>(shown_name), 0, 0},
                 "cannot read it: " + content.error().detail);
    return nullptr;
  }
  if (path.ends_with(".json")) return parse_json(*content, shown_name, problems, limits);
  return parse_yaml(*content, shown_name, problems, limits);
}

}  // namespace sallyport::config
