#include "gateway/core/principal.h"

#include <algorithm>

namespace sallyport {
namespace {

std::string joined(const std::vector<std::string>& words, char between) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

}  // namespace

void Principal::finish() {
  roles_text = joined(roles, ',');
  scopes_text = joined(scopes, ' ');
}

bool Principal::has_role(std::string_view role) const noexcept {
  return std::ranges::find(roles, role) != roles.end();
}
bool Principal::has_scope(std::string_view scope) const noexcept {
  return std::ranges::find(scopes, scope) != scopes.end();
}

const std::string* Principal::claim(std::string_view name) const noexcept {
  for (const auto& [key, value] : claims) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace sallyport
