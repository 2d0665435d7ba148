// Text: small pure functions over ASCII and encodings. Any thread.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::text {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Which bytes are ASCII letters, digits or one of `others`.
constexpr std::array<bool, 256> letters_digits_and(std::string_view others) noexcept {
  std::array<bool, 256> all{};
  for (size_t c = 0; c < 128; ++c) {
    const char character = static_cast<char>(c);
    all[c] = is_alpha(character) || is_digit(character) || others.find(character) != std::string_view::npos;
  }
  return all;
}
// The value of a hex digit, or -1.
constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool iequals(std::string_view a, std::string_view b) noexcept;  // ASCII, ignoring case
// Where the first control character other than HTAB is (below 0x20, or 0x7f); the size if there is none.
size_t find_control(std::string_view s) noexcept;
// True only if there is none, and no tab either: the quick answer for what is nearly always so.
bool has_no_control(std::string_view s) noexcept;
std::string to_lower(std::string_view s);
std::string_view trim(std::string_view s) noexcept;  // spaces and tabs at both ends

// Decimal digits only, no sign, no overflow; nullopt otherwise.
std::optional<uint64_t> parse_decimal(std::string_view s) noexcept;
std::optional<uint64_t> parse_hex(std::string_view s) noexcept;

// A number in decimal, written into `digits`.
using Digits = std::array<char, 20>;
inline std::string_view decimal(uint64_t number, Digits& digits) noexcept {
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), static_cast<size_t>(end - digits.data())};
}

// Two lower-case digits for each byte, written to `to`.
void put_hex(std::string_view bytes, char* to) noexcept;
std::string hex(std::string_view bytes);
// False unless they are exactly the digits of the bytes asked for.
bool unhex(std::string_view digits, std::span<uint8_t> out) noexcept;

// RFC 4648 section 5, without padding; padding, other characters and non-zero trailing bits are refused.
std::optional<std::string> base64url_decode(std::string_view text);
// RFC 4648 section 4, with padding.
std::string base64(std::string_view bytes);

bool is_utf8(std::string_view s) noexcept;  // RFC 3629: no surrogates, no overlong forms
// The length of the UTF-8 sequence at the front (RFC 3629 section 4); 0 if there is none, or not a whole one.
size_t utf8_sequence(std::string_view s) noexcept;

// A URL for a log, without its query: some services take their key there.
std::string_view without_query(std::string_view url) noexcept;
// The same for whoever looks at the config: the names stay, what they have is ***.
std::string with_masked_query(std::string_view url);

// For messages: control characters and bytes above 0x7e as \xNN, cut after max_bytes with "…". What reads
// like a key or a token is shown without its secret (base/secrets.h).
std::string printable(std::string_view s, size_t max_bytes = 80);

// Text of a stranger: its first bytes, max_bytes at most, with "…" behind them where there is more; UTF-8
// stays.
std::string shortened(std::string_view s, size_t max_bytes);

// The entry of `known` that is most like `word`, if it is near enough for "did you mean".
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace sallyport::text
