#include "gateway/base/escape.h"

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport::text {

Escape escape_of_front(std::string_view s) noexcept {
  const size_t taken = utf8_sequence(s);
  const auto as = [taken](std::string_view written) {
    Escape out{std::max<size_t>(taken, 1), written.size(), {}};
    std::ranges::copy(written, out.code.begin());
    return out;
  };
  const auto control = [&](char c) {
    std::array<char, 6> code{'\\', 'u', '0', '0'};
    put_hex({&c, 1}, code.data() + 4);
    return as({code.data(), code.size()});
  };
  if (taken == 0) return as("\\ufffd");
  if (s[0] == '"') return as("\\\"");
  if (s[0] == '\\') return as("\\\\");
  if (taken == 1) return control(s[0]);
  if (s[0] == '\xc2' && static_cast<uint8_t>(s[1]) < 0xa0) return control(s[1]);
  if (s.starts_with("\u2028")) return as("\\u2028");
  if (s.starts_with("\u2029")) return as("\\u2029");
  return as(s.substr(0, taken));
}

}  // namespace sallyport::text
