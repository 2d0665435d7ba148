#include "gateway/core/principal.h"

#include <algorithm>

namespace sallyport {
namespace {

// One word of several stays one: what separates them, blanks, controls and "%" are percent-encoded (RFC 3986
// section 2.1).
void append_encoded(std::string& out, std::string_view word, char between) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : word) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte > 0x20 && byte != 0x7f && c != '%' && c != between) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
}

std::string joined(const std::vector<std::string>& words, char between) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    append_encoded(out, word, between);
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

size_t Principal::bytes() const noexcept {
  size_t sum = sizeof *this + client.capacity() + credential.capacity() + issuer.capacity() +
               roles_text.capacity() + scopes_text.capacity();
  for (const auto* words : {&roles, &scopes}) {
    for (const std::string& word : *words) sum += sizeof word + word.capacity();
  }
  for (const auto& [name, value] : claims) sum += 2 * sizeof name + name.capacity() + value.capacity();
  return sum;
}

const std::string* Principal::claim(std::string_view name) const noexcept {
  for (const auto& [key, value] : claims) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace sallyport
