#include "plugins/authenticate/api_key_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/config/yaml.h"

namespace sallyport {
namespace {

constexpr config::DocumentLimits limits{.bytes_max = ApiKeyFile::bytes_max};

bool is_letter_or_digit(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Text without quotes that YAML takes for nothing but text: of a few harmless characters, no word that means
// a truth value or nothing, and nothing that could be a number (0x1f, 1e9, 1_000, 0o17).
bool is_plain(std::string_view s) noexcept {
  constexpr std::array<std::string_view, 9> meaning = {"true", "false", "null", "yes", "no",
                                                       "on",   "off",   "y",    "n"};
  constexpr std::string_view of_numbers = "0123456789abcdefABCDEFxXoO_.:+-";
  const auto harmless = [](char c) {
    return is_letter_or_digit(c) || std::string_view("-_.:/@+").find(c) != std::string_view::npos;
  };
  if (s.empty() || !is_letter_or_digit(s.front()) || !is_letter_or_digit(s.back()) ||
      !std::ranges::all_of(s, harmless))
    return false;
  if (s.front() <= '9') return s.find_first_not_of(of_numbers) != std::string_view::npos;
  return s.size() > 5 || std::ranges::none_of(meaning, [&](auto m) { return text::iequals(s, m); });
}

// A word as such, or text in double quotes without an escape.
bool read_scalar(std::string_view s, std::string& out) {
  const bool quoted = s.size() >= 2 && s.front() == '"' && s.back() == '"';
  if (quoted) {
    s = s.substr(1, s.size() - 2);
    if (std::ranges::any_of(s, [](char c) { return c < 0x20 || c > 0x7e || c == '"' || c == '\\'; }))
      return false;
  } else if (!is_plain(s)) {
    return false;
  }
  out.assign(s);
  return true;
}

// [a, "b"]; commas and brackets within quotes are left to YAML.
bool read_list(std::string_view s, std::vector<std::string>& out) {
  if (s.size() < 3 || s.front() != '[' || s.back() != ']') return false;
  s = s.substr(1, s.size() - 2);
  for (;;) {
    const size_t end = std::min(s.find(", "), s.size());
    if (!read_scalar(s.substr(0, end), out.emplace_back())) return false;
    if (end == s.size()) return true;
    s.remove_prefix(end + 2);
  }
}

// One entry as it is read, line by line.
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
    if (entry_.id.empty() || entry_.client.empty() || entry_.hash.empty()) return false;
    each_(entry_);
    return true;
  }
  bool line(std::string_view name, std::string_view value) {
    ++lines_;
    if (name == "roles" || name == "scopes") {
      auto& list = name == "roles" ? entry_.roles : entry_.scopes;
      return list.empty() && read_list(value, list);
    }
    const auto* field = std::ranges::find(texts_, name, &Field::name);
    if (field == texts_.end()) return false;
    std::string& text = entry_.*field->member;
    return text.empty() && read_scalar(value, text) && !text.empty();  // an empty one may be there again
  }

 private:
  struct Field {
    std::string_view name;
    std::string ApiKeyEntry::* member;
  };
  static constexpr std::array<Field, 7> texts_ = {{{"id", &ApiKeyEntry::id},
                                                   {"client", &ApiKeyEntry::client},
                                                   {"hash", &ApiKeyEntry::hash},
                                                   {"created", &ApiKeyEntry::created},
                                                   {"not_before", &ApiKeyEntry::not_before},
                                                   {"expires", &ApiKeyEntry::expires},
                                                   {"revoked", &ApiKeyEntry::revoked}}};
  const std::function<void(const ApiKeyEntry&)>& each_;
  ApiKeyEntry entry_;
  size_t lines_ = 0;
};

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

bool read_plain_keys(std::string_view text, const std::function<void(const ApiKeyEntry&)>& each) {
  while (text.starts_with('#')) take_line(text);
  if (take_line(text) != "version: 1" || take_line(text) != "keys:" || text.empty()) return false;
  PlainEntry entry(each);
  bool begun = false;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const bool first = line.starts_with("  - ");
    if (!first && !(begun && line.starts_with("    "))) return false;
    if (first && !entry.begin()) return false;
    begun = true;
    line.remove_prefix(4);
    const size_t colon = line.find(": ");
    if (colon == line.npos || !entry.line(line.substr(0, colon), line.substr(colon + 2))) return false;
  }
  return entry.end();
}

std::optional<ApiKeyFile> ApiKeyFile::parse(std::string_view text, const std::string& path,
                                            const std::string& shown, config::Problems& problems) {
  ApiKeyFile file;
  if (read_plain_keys(text, [&](const ApiKeyEntry& entry) { file.keys.push_back(entry); })) return file;
  file.keys.clear();
  config::Problems found;
  const auto document = path.ends_with(".json") ? config::parse_json(text, shown, found, limits)
                                                : config::parse_yaml(text, shown, found, limits);
  if (document != nullptr) {
    config::Reader reader(*document, found, "", "");
    reader.value(file);
    if (found.empty() && file.version != 1) reader.error("this key file has another version than 1");
  }
  for (const config::Problem& p : found.all()) problems.add(p.mark, p.message);
  if (!found.empty()) return std::nullopt;
  return file;
}

std::optional<ApiKeyFile> ApiKeyFile::read(const std::string& path, const std::string& shown,
                                           config::Problems& problems) {
  const Result<std::string> text = config::read_file(path, bytes_max);
  if (text) return parse(*text, path, shown, problems);
  problems.add({}, "cannot read it: " + text.error().detail);
  return std::nullopt;
}

}  // namespace sallyport
