#include "plugins/authenticate/names.h"

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

constexpr size_t bytes_max = 1024;

// The two blocks of ISO 6429, the second as UTF-8 has it: 0xc2 and 0x80 to 0x9f.
bool has_control(std::string_view s) noexcept {
  for (size_t i = 0; i < s.size(); ++i) {
    const auto byte = static_cast<uint8_t>(s[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && i + 1 < s.size() && static_cast<uint8_t>(s[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace

std::string_view wrong_with_client(std::string_view name) noexcept {
  if (name.empty()) return "is empty";
  if (name.size() > bytes_max) return "is longer than 1024 bytes";
  if (has_control(name)) return "has control characters";
  if (!text::is_utf8(name)) return "is not UTF-8";
  if (name.front() == ' ' || name.back() == ' ') return "begins or ends with a blank";
  return {};
}

std::string_view wrong_with_word(std::string_view word) noexcept {
  if (word.find_first_of(" ,") != word.npos)
    return "has a comma or a blank, by which a backend tells one from the next";
  return wrong_with_client(word);
}

}  // namespace sallyport
