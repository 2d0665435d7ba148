#include <algorithm>
#include <cctype>
#include <string>

#include "gateway/base/arena.h"
#include "gateway/base/text.h"
#include "gateway/http/uri.h"
#include "plugins/validate/schema.h"

namespace sallyport {

using config::Node;

namespace {

const Node* step(const Node& from, std::string_view token) {
  std::string name;
  for (size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size();
    if (escape) ++i;
    name += escape ? (token[i] == '1' ? '/' : '~') : token[i];
  }
  if (from.is_map()) return from.find(name);
  const auto index = text::parse_decimal(name);
  return from.is_list() && index && *index < from.items.size() ? &from.items[*index] : nullptr;
}

bool has_whole_escapes(std::string_view s) noexcept {
  const auto is_hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  for (size_t at = s.find('%'); at != s.npos; at = s.find('%', at + 1)) {
    if (at + 2 >= s.size() || !is_hex(s[at + 1]) || !is_hex(s[at + 2])) return false;
  }
  return true;
}

}  // namespace

const Node* schema_at(const Node& document, std::string_view reference) {
  const Node* at = reference.starts_with('#') ? &document : nullptr;
  BlockPool pool;
  Arena arena(pool);
  const std::string_view pointer = reference.substr(std::min<size_t>(reference.size(), 1));
  // RFC 6901 sections 4 and 6.
  for (std::string_view rest = has_whole_escapes(pointer) ? http::percent_decode(pointer, arena) : pointer;
       at != nullptr && !rest.empty();) {
    if (rest.front() != '/') return nullptr;
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('/'), rest.size());
    at = step(*at, rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return at;
}

}  // namespace sallyport
