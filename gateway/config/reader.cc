#include "gateway/config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "gateway/base/file.h"
#include "gateway/base/text.h"

namespace sallyport::config {
namespace {

constexpr size_t secret_bytes_max = 64 * 1024;
constexpr std::string_view secret_help = "secrets are referred to: env:NAME or file:PATH";

std::string resolve_path(const std::string& written, const std::string& directory) {
  return written.starts_with('/') || directory.empty() ? written : directory + "/" + written;
}

// What YAML reads otherwise than it looks.
std::string_view slip(Node::Kind wanted, const Node& found) {
  const bool text = found.kind == Node::Kind::string;
  const bool is_url = found.text.contains("://");
  if (wanted == Node::Kind::map && text && found.text.contains(':') && !found.text.contains(' ') && !is_url)
    return "; a key has a colon and a space behind it";
  const auto is_bare = [](const Node::Member& m) { return m.value.kind == Node::Kind::null; };
  if (wanted == Node::Kind::string && found.is_map() && std::ranges::all_of(found.members, is_bare))
    return "; a value that begins with { is written between quotes";
  if (wanted == Node::Kind::list && found.is_scalar() && found.kind != Node::Kind::null)
    return "; one thing is a list, too, in brackets: [NAME]";
  return "";
}

bool is_text(const Node& node) noexcept { return node.is_scalar() && node.kind != Node::Kind::null; }

template <class T>
void read_unit(Reader& reader, Result<T> (*parse)(std::string_view), T& out) {
  if (!is_text(reader.node())) {
    reader.expect(Node::Kind::string);
    return;
  }
  Result<T> read = parse(reader.node().text);
  if (read)
    out = *read;
  else
    reader.error(fmt::format("{}: {}", text::printable(reader.path()), read.error().detail));
}

}  // namespace

Reader::Reader(const Node& node, Problems& problems, std::string path, std::string directory)
    : node_(&node), problems_(&problems), path_(std::move(path)), directory_(std::move(directory)) {}

Reader::Reader(const Node& node, Reader& parent, std::string path)
    : Reader(node, *parent.problems_, std::move(path), parent.directory_) {
  parent_ = &parent;
}

void Reader::error(std::string message) { error_at(node_->mark, std::move(message)); }

void Reader::error_at(std::string_view key, std::string message) {
  const Node* child = node_->find(key);
  error_at(child == nullptr ? node_->mark : child->mark, std::move(message));
}

void Reader::error_at(const Mark& mark, std::string message) {
  refuse();
  problems_->add(mark, std::move(message));
}

void Reader::refuse() noexcept {
  for (Reader* reader = this; reader != nullptr; reader = reader->parent_) reader->whole_ = false;
}

bool Reader::has_text(std::string_view key) const noexcept {
  const Node* child = node_->find(key);
  return child != nullptr && is_text(*child);
}

Reader Reader::at(std::string_view key) {
  return {*node_->find(key), *this, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)};
}

Reader Reader::at(size_t index) { return {node_->items[index], *this, fmt::format("{}[{}]", path_, index)}; }

void Reader::note_known(std::string_view key) { known_.emplace_back(key); }

void Reader::missing(std::string_view key) {
  refuse();
  missing_.emplace_back(key);
}

std::string Reader::did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto near = text::nearest(word, known);
  return near ? fmt::format("; did you mean \"{}\"?", *near) : "";
}

std::string Reader::shown_path() const {
  return path_.empty() ? std::string(document_) : text::printable(path_);
}

bool Reader::is_misspelt(std::string_view key) const noexcept {
  return std::ranges::find(misspelt_, key) != misspelt_.end();
}

void Reader::finish() {
  for (const Node::Member& member : node_->members) {
    if (std::ranges::find(known_, member.name) != known_.end()) continue;
    // Without the blank behind its colon a value is a part of the key, and may be a secret.
    const size_t colon = member.name.find(':');
    const std::string_view name = std::string_view(member.name).substr(0, colon);
    const std::string remedy = colon == member.name.npos ? did_you_mean(member.name, known_)
                                                         : "; a key has a colon and a space behind it";
    error_at(member.mark, fmt::format("unknown key \"{}{}\"{}{}", text::printable(name),
                                      colon == member.name.npos ? "" : ":…",
                                      path_.empty() ? "" : " in " + text::printable(path_), remedy));
    if (const auto near = text::nearest(member.name, known_)) misspelt_.push_back(*near);
  }
  for (const std::string& key : missing_) {
    if (!is_misspelt(key)) error(fmt::format("{} needs \"{}\"", shown_path(), key));
  }
}

bool Reader::expect(Node::Kind kind) {
  if (node_->kind == kind) return true;
  error(fmt::format("{}: expected {}, found {}{}", shown_path(), to_string(kind), to_string(node_->kind),
                    slip(kind, *node_)));
  return false;
}

int Reader::one_of(const std::vector<std::string>& names) {
  std::string all;
  for (size_t i = 0; i < names.size(); ++i) {
    if (node_->is_scalar() && node_->text == names[i]) return static_cast<int>(i);
    all += (i == 0 ? "" : ", ") + names[i];
  }
  error(fmt::format(
      "{}: expected one of {}; found {}{}", text::printable(path_), all,
      node_->is_scalar() ? "\"" + text::printable(node_->text) + "\"" : std::string(to_string(node_->kind)),
      node_->is_scalar() ? did_you_mean(node_->text, names) : ""));
  return -1;
}

void Reader::value(bool& out) {
  if (expect(Node::Kind::boolean)) out = text::lower(node_->text.front()) == 't';
}

// A plain scalar is text as well, as written: min_version: 1.2 and name: 7 mean what they look like.
void Reader::value(std::string& out) {
  if (is_text(*node_)) {
    out = node_->text;
  } else {
    expect(Node::Kind::string);
  }
}

void Reader::value(uint64_t& out) {
  if (!expect(Node::Kind::integer)) return;
  if (const auto number = text::parse_decimal(node_->text)) {
    out = *number;
  } else {
    error(fmt::format("{}: {} is not a whole number from 0 to {}", text::printable(path_),
                      text::printable(node_->text), std::numeric_limits<uint64_t>::max()));
  }
}

void Reader::value(uint32_t& out) {
  uint64_t wide = out;
  value(wide);
  if (wide > std::numeric_limits<uint32_t>::max()) {
    return error(fmt::format("{}: {} is more than {}", text::printable(path_), wide,
                             std::numeric_limits<uint32_t>::max()));
  }
  out = static_cast<uint32_t>(wide);
}

void Reader::value(Duration& out) { read_unit(*this, &parse_duration, out); }
void Reader::value(Bytes& out) { read_unit(*this, &parse_bytes, out); }
void Reader::value(Rate& out) { read_unit(*this, &parse_rate, out); }

void Reader::value(FilePath& out) {
  std::string written;
  value(written);
  if (!whole()) return;
  if (written.empty()) return error(fmt::format("{}: expected the path of a file", text::printable(path_)));
  out = {written, resolve_path(written, directory_), node_->mark};
}

void Reader::value(Secret& out) {
  if (!expect(Node::Kind::string)) return;
  const std::string& reference = node_->text;
  if (reference == "env:" || reference == "file:") {
    return error(fmt::format("{}: the {} is missing behind \"{}\"", text::printable(path_),
                             reference == "env:" ? "name of the environment variable" : "path", reference));
  }
  if (reference.starts_with("env:")) {
    const char* found = std::getenv(reference.c_str() + 4);
    if (found == nullptr || *found == '\0') {
      return error(fmt::format("{}: the environment variable {} is not set", text::printable(path_),
                               text::printable(reference.substr(4))));
    }
    out = {reference, std::make_shared<const std::string>(found)};
  } else if (reference.starts_with("file:")) {
    Result<std::string> content = read_file(resolve_path(reference.substr(5), directory_), secret_bytes_max);
    if (!content) {
      return error(fmt::format("{}: cannot read the secret {}: {}", text::printable(path_),
                               text::printable(reference), content.error().detail));
    }
    while (content->ends_with('\n') || content->ends_with('\r')) content->pop_back();
    if (content->empty())
      return error(
          fmt::format("{}: the file {} is empty", text::printable(path_), text::printable(reference)));
    out = {reference, std::make_shared<const std::string>(std::move(*content))};
  } else {
    error(fmt::format("{}: {}", text::printable(path_),
                      secret_help));  // what is there may be the secret: not shown
  }
}

void Reader::value(Raw& out) { out = std::make_shared<const Node>(*node_); }

}  // namespace sallyport::config
