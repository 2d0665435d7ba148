// Text between the quotes of a JSON string, as in both logs and in problem documents: quotes and backslashes,
// controls (also those of C1, which are commands to some terminals), and U+2028 and U+2029, which end a line
// for some readers, are escaped; what is not UTF-8 becomes U+FFFD.
//
// Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::text {

// True for printable ASCII without quotes and backslashes: goes in as it is. Without a branch, so that the
// compiler makes it 16 bytes wide.
inline bool needs_no_escape(std::string_view s) noexcept {
  uint8_t odd = 0;
  for (char c : s) {
    const auto byte = static_cast<uint8_t>(c);
    odd |= static_cast<uint8_t>((byte < 0x20) | (byte > 0x7e) | (byte == '"') | (byte == '\\'));
  }
  return odd == 0;
}

// The character at the front, which may need one, and how it is written: `size` bytes of `code`.
struct Escape {
  size_t taken, size;
  std::array<char, 6> code;
};
Escape escape_of_front(std::string_view s) noexcept;

// In pieces to put(std::string_view), none of which is empty.
template <class Put>
void escape(std::string_view s, Put put) {
  while (!s.empty()) {
    size_t plain = 0;  // a run that goes in as it is
    while (plain < s.size() && needs_no_escape(s.substr(plain, 1))) ++plain;
    if (plain > 0) put(s.substr(0, plain));
    s.remove_prefix(plain);
    if (s.empty()) return;
    const Escape next = escape_of_front(s);
    put(std::string_view(next.code.data(), next.size));
    s.remove_prefix(next.taken);
  }
}

}  // namespace sallyport::text
