#include "gateway/config/yaml_remedy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base/text.h"

namespace sallyport::config {
namespace {

constexpr std::string_view quote_it =
    "a value that has \": \" in it, or goes on behind a quote or a \"}\", is written between quotes as a "
    "whole";
constexpr std::string_view flow =
    "a \"{\" or \"[\" is not closed, or a \",\" is missing before this; a value with { } [ ] or \",\" in it "
    "is written between quotes, as in path: \"/orders/{id}\"";
constexpr std::string_view column_of =
    "the keys of one block begin in the same column, each with a colon and a space behind it";

std::string_view line_at(std::string_view text, size_t line) noexcept {
  for (; line > 0; --line) {
    const size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

size_t indent_of(std::string_view line) noexcept {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

// The line, counted from 0, that has a tab in its indentation: this one, or one not far above it.
size_t tab_near(std::string_view text, size_t line) noexcept {
  for (size_t back = 0; back < 3 && back <= line; ++back) {
    const std::string_view one = line_at(text, line - back);
    if (one.substr(0, indent_of(one)).contains('\t')) return line - back;
  }
  return std::string_view::npos;
}

// Where the parser cannot go on within a block.
std::string_view remedy_of_block(std::string_view line, size_t column) noexcept {
  if (column <= indent_of(line)) return column_of;
  const std::string_view before = line.substr(0, std::min(column, line.size()));
  if (before.contains(": ")) return quote_it;
  return column_of;
}

std::string_view remedy(std::string_view message, std::string_view line, size_t column) noexcept {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> known = {{
      {"end of map flow not found", flow},
      {"end of sequence flow not found", flow},
      {"illegal flow end",
       "there is one \"}\" or \"]\" too many; a value that has one is written between quotes"},
      {"the referenced anchor is not defined",
       "to YAML \"*\" begins an alias: a value that begins with it is "
       "written between quotes, as in \"*.example.com\""},
      {"anchor not found after &",
       "to YAML \"&\" begins an anchor: a value that begins with it is written "
       "between quotes"},
      {"unknown token", "a value that begins with \"@\", \"`\" or \"%\" is written between quotes"},
      {"unknown escape character",
       "between double quotes a backslash is written twice; between single quotes "
       "it stands for itself"},
      {"unexpected character in block scalar",
       "a value that begins with \"|\" or \">\" is written between quotes"},
      {"illegal block entry", column_of},
      {"illegal map key", column_of},
      {"end of file", "a quote is not closed"},
  }};
  for (const auto& [begin, what] : known) {
    if (message.starts_with(begin)) return what;
  }
  if (message.starts_with("illegal map value") || message.starts_with("end of map not found") ||
      message.starts_with("end of sequence not found"))
    return remedy_of_block(line, column);
  return {};
}

}  // namespace

std::string with_remedy(std::string_view message, std::string_view text, size_t line, size_t column) {
  if (const size_t tab = tab_near(text, line); tab != text.npos)
    return fmt::format("{}: line {} is indented by a tab, and YAML takes spaces only", message, tab + 1);
  const std::string_view what = remedy(message, line_at(text, line), column);
  return what.empty() ? std::string(message) : fmt::format("{}: {}", message, what);
}

}  // namespace sallyport::config
