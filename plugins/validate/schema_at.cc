#include <algorithm>
#include <string>

#include "gateway/base/text.h"
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

}  // namespace

const Node* schema_at(const Node& document, std::string_view reference) {
  const Node* at = reference.starts_with('#') ? &document : nullptr;
  for (std::string_view rest = reference.substr(std::min<size_t>(reference.size(), 1));
       at != nullptr && !rest.empty();) {  // RFC 6901
    if (rest.front() != '/') return nullptr;
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('/'), rest.size());
    at = step(*at, rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return at;
}

}  // namespace sallyport
