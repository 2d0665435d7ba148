#include "gateway/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "gateway/base/block.h"
#include "gateway/base/secrets.h"

namespace sallyport::text {
namespace {

constexpr std::string_view url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view plain_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> decoding_of(std::string_view alphabet) {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
  return table;
}
constexpr auto hex_pairs = [] {
  std::array<std::array<char, 2>, 256> pairs{};
  constexpr std::string_view digits = "0123456789abcdef";
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {digits[i >> 4], digits[i & 15]};
  return pairs;
}();

constexpr auto url_decoding = decoding_of(url_alphabet);

std::string encode64(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t v = uint32_t{static_cast<uint8_t>(bytes[i])} << 16 |
                       uint32_t{static_cast<uint8_t>(bytes[i + 1])} << 8 |
                       uint32_t{static_cast<uint8_t>(bytes[i + 2])};
    for (int shift = 18; shift >= 0; shift -= 6) out += alphabet[v >> shift & 63];
  }
  if (const size_t left = bytes.size() - i; left > 0) {
    uint32_t v = uint32_t{static_cast<uint8_t>(bytes[i])} << 16;
    if (left == 2) v |= uint32_t{static_cast<uint8_t>(bytes[i + 1])} << 8;
    out += alphabet[v >> 18 & 63];
    out += alphabet[v >> 12 & 63];
    if (left == 2) out += alphabet[v >> 6 & 63];
    out.append(3 - left, '=');
  }
  return out;
}

std::optional<std::string> decode64(std::string_view text, const std::array<int8_t, 256>& table) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const int value = table[static_cast<uint8_t>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;  // one value has one encoding
  return out;
}

// Of letters that are missing, too many or others, and of two neighbours that changed places (optimal string
// alignment).
size_t edit_distance(std::string_view a, std::string_view b) {
  const auto same = [&](size_t i, size_t j) { return lower(a[i - 1]) == lower(b[j - 1]); };
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(i, j) ? 0 : 1)});
      if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j))
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row.back();
}

// Several bytes as one number, the first the lowest.
template <class Word>
Word load(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
  return word;
}
template <class Word>
constexpr Word each(uint8_t byte) noexcept {
  return static_cast<Word>(~Word{0} / 0xff * byte);
}

// lower() of each byte: no sum goes over into the next, for none has its high bit set.
template <class Word>
constexpr Word lower_each(Word word) noexcept {
  const Word high = each<Word>(0x80);
  const Word low_bits = word & ~high;
  const Word from_a = low_bits + each<Word>(0x80 - 'A'), behind_z = low_bits + each<Word>(0x7f - 'Z');
  return word | (((from_a ^ behind_z) & ~word & high) >> 2);
}

// n: at least the bytes of a word; the last word overlaps with the one before it.
template <class Word>
bool iequal_words(const char* a, const char* b, size_t n) noexcept {
  const auto same = [&](size_t i) { return lower_each(load<Word>(a + i)) == lower_each(load<Word>(b + i)); };
  for (size_t i = 0; i + sizeof(Word) < n; i += sizeof(Word)) {
    if (!same(i)) return false;
  }
  return same(n - sizeof(Word));
}

// Not 0 if there are bytes below 0x20, or 0x7f.
constexpr uint64_t controls(uint64_t word) noexcept {
  const uint64_t is_zero_if_del = word ^ each<uint64_t>(0x7f);
  return (((word - each<uint64_t>(0x20)) & ~word) |
          ((is_zero_if_del - each<uint64_t>(1)) & ~is_zero_if_del)) &
         each<uint64_t>(0x80);
}
constexpr bool is_control(char c) noexcept {
  return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f;
}

}  // namespace

bool iequals(std::string_view a, std::string_view b) noexcept {
  const size_t n = a.size();
  if (n != b.size()) return false;
  if (n >= 8) return iequal_words<uint64_t>(a.data(), b.data(), n);
  if (n >= 4) return iequal_words<uint32_t>(a.data(), b.data(), n);
  return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

size_t find_control(std::string_view s) noexcept {
  if (s.size() >= sizeof(Block)) {
    return find_by_blocks(s.data(), s.size(),
                          [](Block b) { return ((b < 0x20) & (b != '\t')) | (b == 0x7f); });
  }
  size_t i = 0;
  while (i < s.size() && !is_control(s[i])) ++i;
  return i;
}

bool has_no_control(std::string_view s) noexcept {
  const size_t n = s.size();
  const char* at = s.data();
  if (n < 4) return std::ranges::none_of(s, [](char c) { return is_control(c) || c == '\t'; });
  if (n < 8) {
    const uint64_t ends = load<uint32_t>(at) | uint64_t{load<uint32_t>(at + n - 4)} << 32;
    return controls(ends) == 0;
  }
  if (n < sizeof(Block)) return (controls(load<uint64_t>(at)) | controls(load<uint64_t>(at + n - 8))) == 0;
  ControlScan seen;
  for (size_t i = 0; i + sizeof(Block) < n; i += sizeof(Block)) seen.see(load_block(at + i));
  seen.see(load_block(at + n - sizeof(Block)));  // overlaps with the one before it
  return !seen.found();
}

std::string to_lower(std::string_view s) {
  std::string out(s);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

std::string_view trim(std::string_view s) noexcept {
  if (!s.empty() && s.front() > ' ' && s.back() > ' ') return s;  // as nearly always
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::optional<uint64_t> parse_decimal(std::string_view s) noexcept {
  if (s.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : s) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<uint64_t> parse_hex(std::string_view s) noexcept {
  if (s.empty() || s.size() > 16) return std::nullopt;
  uint64_t value = 0;
  for (char c : s) {
    const int digit = hex_value(c);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

void put_hex(std::string_view bytes, char* to) noexcept {
  for (char c : bytes) {
    std::memcpy(to, hex_pairs[static_cast<uint8_t>(c)].data(), 2);
    to += 2;
  }
}

std::string hex(std::string_view bytes) {
  std::string out(bytes.size() * 2, '0');
  put_hex(bytes, out.data());
  return out;
}

bool unhex(std::string_view digits, std::span<uint8_t> out) noexcept {
  if (digits.size() != out.size() * 2) return false;
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(digits[2 * i]), low = hex_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

std::optional<std::string> base64url_decode(std::string_view text) { return decode64(text, url_decoding); }
std::string base64(std::string_view bytes) { return encode64(bytes, plain_alphabet); }

size_t utf8_sequence(std::string_view s) noexcept {
  const auto byte = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t b = byte(0), c = byte(1);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return tail(1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    return (b == 0xe0 && c < 0xa0) || (b == 0xed && c > 0x9f) ? 0 : 3;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    return (b == 0xf0 && c < 0x90) || (b == 0xf4 && c > 0x8f) ? 0 : 4;
  }
  return 0;
}

bool is_utf8(std::string_view s) noexcept {
  while (!s.empty()) {
    const size_t length = utf8_sequence(s);
    if (length == 0) return false;
    s.remove_prefix(length);
  }
  return true;
}

std::string_view without_query(std::string_view url) noexcept { return url.substr(0, url.find('?')); }

std::string with_masked_query(std::string_view url) {
  std::string out(without_query(url));
  for (size_t at = out.size(); at < url.size();) {  // at "?" or "&"
    const size_t end = std::min(url.find('&', at + 1), url.size());
    const std::string_view piece = url.substr(at, end - at);
    const size_t equals = piece.find('=');
    out += equals == piece.npos ? piece.substr(0, 1) : piece.substr(0, equals + 1);
    if (piece.size() > 1) out += "***";
    at = end;
  }
  return out;
}

std::string printable(std::string_view s, size_t max_bytes) {
  std::string masked;
  s = without_secrets(s, masked, max_bytes);
  std::string out;
  const std::string_view shown = s.substr(0, max_bytes);
  for (char c : shown) {
    if (c >= 0x20 && c <= 0x7e) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
  }
  if (shown.size() < s.size()) out += "…";
  return out;
}

std::string shortened(std::string_view s, size_t max_bytes) {
  if (s.size() <= max_bytes) return std::string(s);
  const auto continues = [](char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; };
  size_t end = max_bytes;
  while (end > 0 && continues(s[end])) --end;
  return std::string(s.substr(0, end)) + "…";
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  constexpr size_t word_max = 64;  // the cost is quadratic
  if (word.size() > word_max) return std::nullopt;
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    if (candidate.size() > word_max) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

}  // namespace sallyport::text
