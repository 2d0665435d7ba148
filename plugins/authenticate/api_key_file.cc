#include "plugins/authenticate/api_key_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/config/yaml.h"

namespace sallyport {
namespace {

constexpr config::DocumentLimits limits{.bytes_max = ApiKeyFile::bytes_max, .nodes_max = 40'000'000};

// What stands between double quotes, with the escapes that the Writer uses.
bool read_quoted(std::string_view s, std::string& out) {
  out.clear();
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f || c == '"') return false;
    if (c != '\\') {
      out += c;
      continue;
    }
    const std::string_view escape = s.substr(i + 1);
    if (escape.starts_with('"') || escape.starts_with('\\')) {
      out += escape.front();
      ++i;
    } else if (escape.starts_with('n')) {
      out += '\n';
      ++i;
    } else if (const auto code =
                   escape.starts_with('x') ? text::parse_hex(escape.substr(1, 2)) : std::nullopt;
               code && escape.size() >= 3 && *code < 0x80) {
      out += static_cast<char>(*code);
      i += 3;
    } else {
      return false;
    }
  }
  return text::is_utf8(out);
}

// A word as such, or text in double quotes.
bool read_scalar(std::string_view s, std::string& out) {
  if (s.size() >= 2 && s.front() == '"' && s.back() == '"')
    return read_quoted(s.substr(1, s.size() - 2), out);
  if (!config::is_plain_text(s)) return false;
  out.assign(s);
  return true;
}

// Where the scalar at the front of a list ends.
size_t scalar_size(std::string_view s) {
  if (!s.starts_with('"')) return std::min(s.find(", "), s.size());
  for (size_t i = 1; i < s.size(); ++i) {
    if (s[i] == '\\')
      ++i;
    else if (s[i] == '"')
      return i + 1;
  }
  return s.size();
}

// [a, "b"]
bool read_list(std::string_view s, std::vector<std::string>& out) {
  if (s.size() < 3 || s.front() != '[' || s.back() != ']') return false;
  s = s.substr(1, s.size() - 2);
  for (;;) {
    const size_t size = scalar_size(s);
    if (!read_scalar(s.substr(0, size), out.emplace_back())) return false;
    s.remove_prefix(size);
    if (s.empty()) return true;
    if (!s.starts_with(", ")) return false;
    s.remove_prefix(2);
  }
}

// One entry as it is read, line by line: "name: value", or "roles:" and then an item a line.
class PlainEntry {
 public:
  explicit PlainEntry(const std::function<void(const ApiKeyEntry&)>& each) : each_(each) {}

  // False: the lines before it lack something.
  bool begin() {
    if (lines_ != 0 && !end()) return false;
    for (const Field& f : texts_) (entry_.*f.member).clear();
    entry_.roles.clear();
    entry_.scopes.clear();
    return true;
  }
  bool end() {
    lines_ = 0;
    if (!list_is_closed() || entry_.id.empty() || entry_.client.empty() || entry_.hash.empty()) return false;
    each_(entry_);
    return true;
  }
  bool line(std::string_view line) {
    ++lines_;
    if (!list_is_closed()) return false;
    const size_t colon = line.find(':');
    if (colon == line.npos) return false;
    const std::string_view name = line.substr(0, colon), rest = line.substr(colon + 1);
    std::vector<std::string>* list = list_called(name);
    if (list != nullptr && !list->empty()) return false;
    if (list != nullptr && rest.empty()) {
      open_ = list;
      return true;
    }
    if (!rest.starts_with(' ')) return false;
    if (list != nullptr) return read_list(rest.substr(1), *list);
    const auto* field = std::ranges::find(texts_, name, &Field::name);
    if (field == texts_.end()) return false;
    std::string& text = entry_.*field->member;
    return text.empty() && read_scalar(rest.substr(1), text) &&
           !text.empty();  // an empty one may be there again
  }
  bool item(std::string_view value) { return open_ != nullptr && read_scalar(value, open_->emplace_back()); }

 private:
  struct Field {
    std::string_view name;
    std::string ApiKeyEntry::* member;
  };
  static constexpr std::array<Field, 8> texts_ = {{{"id", &ApiKeyEntry::id},
                                                   {"client", &ApiKeyEntry::client},
                                                   {"hash", &ApiKeyEntry::hash},
                                                   {"created", &ApiKeyEntry::created},
                                                   {"not_before", &ApiKeyEntry::not_before},
                                                   {"expires", &ApiKeyEntry::expires},
                                                   {"first_expires", &ApiKeyEntry::first_expires},
                                                   {"revoked", &ApiKeyEntry::revoked}}};
  std::vector<std::string>* list_called(std::string_view name) noexcept {
    return name == "roles" ? &entry_.roles : name == "scopes" ? &entry_.scopes : nullptr;
  }
  // One without an item is no list.
  bool list_is_closed() noexcept {
    const auto* list = std::exchange(open_, nullptr);
    return list == nullptr || !list->empty();
  }

  const std::function<void(const ApiKeyEntry&)>& each_;
  ApiKeyEntry entry_;
  std::vector<std::string>* open_ = nullptr;
  size_t lines_ = 0;
};

// The config that names a key file, given instead of it.
bool is_config(const config::Node& document) noexcept {
  return document.find("keys") == nullptr &&
         (document.find("listeners") != nullptr || document.find("authenticators") != nullptr);
}

std::string not_a_config(const config::Node& document) {
  std::string message = "this is a config, not a key file: give the file that an authenticator of it names";
  const config::Node* authenticators = document.find("authenticators");
  if (authenticators == nullptr) return message;
  for (const auto& [name, mark, block] : authenticators->members) {
    const config::Node *type = block.find("type"), *file = block.find("file");
    if (type == nullptr || type->text != "api_key" || file == nullptr || file->text.empty()) continue;
    return message +
           fmt::format(" (authenticators.{}.file: {})", text::printable(name), text::printable(file->text));
  }
  return message;
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

void ApiKeyEntry::refuse_empty(config::Reader& reader, const char* name) {
  const config::Node* node = reader.node().find(name);
  if (node == nullptr || !node->is_scalar() || !node->text.empty() || node->kind == config::Node::Kind::null)
    return;
  reader.error_at(name, fmt::format("{} is empty: give it a value, or leave the line away", name));
}

bool read_plain_keys(std::string_view text, const std::function<void(const ApiKeyEntry&)>& each,
                     std::string* pepper_check) {
  if (text.find('\0') != text.npos) return false;
  while (text.starts_with('#')) take_line(text);
  if (take_line(text) != "version: 1") return false;
  if (constexpr std::string_view name = "pepper_check: "; text.starts_with(name)) {
    std::string value;
    if (!read_scalar(take_line(text).substr(name.size()), value)) return false;
    if (pepper_check != nullptr) *pepper_check = std::move(value);
  }
  if (take_line(text) != "keys:" || !text.starts_with("  - ")) return false;
  PlainEntry entry(each);
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    bool good = false;
    if (line.starts_with("      - ")) {
      good = entry.item(line.substr(8));
    } else if (line.starts_with("    ")) {
      good = entry.line(line.substr(4));
    } else if (line.starts_with("  - ")) {
      good = entry.begin() && entry.line(line.substr(4));
    }
    if (!good) return false;
  }
  return entry.end();
}

std::optional<ApiKeyFile> ApiKeyFile::parse(std::string_view text, const std::string& path,
                                            const std::string& shown, config::Problems& problems) {
  ApiKeyFile file;
  if (!path.ends_with(".json") &&
      read_plain_keys(
          text, [&](const ApiKeyEntry& entry) { file.keys.push_back(entry); }, &file.pepper_check))
    return file;
  return parse_document(text, path, shown, problems);
}

std::optional<ApiKeyFile> ApiKeyFile::parse_document(std::string_view text, const std::string& path,
                                                     const std::string& shown, config::Problems& problems) {
  ApiKeyFile file;
  config::Problems found;
  const auto document = path.ends_with(".json") ? config::parse_json(text, shown, found, limits)
                                                : config::parse_yaml(text, shown, found, limits);
  if (document != nullptr && is_config(*document)) {
    found.add(document->mark, not_a_config(*document));
  } else if (document != nullptr) {
    config::Reader reader(*document, found, "", "");
    reader.call_document("the key file");
    reader.value(file);
    if (found.empty() && file.version != 1) reader.error("this key file has another version than 1");
  }
  problems.add_all(found);
  if (!found.empty()) return std::nullopt;
  return file;
}

std::optional<ApiKeyFile> ApiKeyFile::read(const std::string& path, const std::string& shown,
                                           config::Problems& problems) {
  const Result<std::string> text = read_file(path, bytes_max);
  if (text) return parse(*text, path, shown, problems);
  problems.add({}, "cannot read it: " + text.error().detail);
  return std::nullopt;
}

}  // namespace sallyport
