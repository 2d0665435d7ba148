#include "gateway/base/secrets.h"

#include <array>

#include "gateway/base/block.h"
#include "gateway/base/text.h"

namespace sallyport::text {
namespace {

constexpr size_t id_size = 12;
// The first part of a token: {"sub":"a"} and {"alg":"x"} have 15. The beginning of it that is shown says no
// more than {"alg".
constexpr size_t first_part_min = 15, first_part_shown = 8;

constexpr auto is_letter_or_digit = letters_digits_and("");
constexpr auto is_base64url = letters_digits_and("-_");
// A secret goes on for as long as these do: also where somebody has put an escape in between, and over what
// is appended to a token ("~").
constexpr auto is_of_secret = letters_digits_and("-._~=%+*");

// 0xff where there is, in the 16 bytes and the one behind them, "p_", or "yJ" or another end of how the
// Base64 of a JSON object begins, in either case, as these forms have them and little else, or an escape of
// ASCII.
BlockMask may_be_secret(const char* at) noexcept {
  const Block plain = load_block(at), next = load_block(at + 1);
  const Block lower = plain | 0x20, next_lower = next | 0x20;
  const BlockMask quote_or_blank = (next_lower == 'j') | (next_lower == 'a');
  const BlockMask other_space = (next_lower == 'o') | (next_lower == 'k') | (next == '0');
  return ((lower == 'p') & (next == '_')) | ((lower == 'y') & quote_or_blank) |
         ((lower == 'w') & other_space) | ((plain == '%') & (next < '8'));
}

// The quick answer, for what is nearly always so; the shortest secret is longer than a block.
bool may_hold_secret(std::string_view s) noexcept {
  if (s.size() <= sizeof(Block)) return false;
  const size_t n = s.size() - 1;
  BlockMask found = may_be_secret(s.data() + n - sizeof(Block));
  for (size_t i = 0; i + sizeof(Block) < n; i += sizeof(Block)) found |= may_be_secret(s.data() + i);
  return is_any(found);
}

struct Character {
  char value;
  size_t size;
};

// As whoever decodes the text reads it: "%5F" is "_", and so is "%255F" if that is done twice.
Character escaped_at(std::string_view s, size_t at) noexcept {
  const auto byte = [&](size_t i) {
    if (i + 1 >= s.size()) return -1;
    const int high = hex_value(s[i]), low = hex_value(s[i + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  };
  size_t digits = at + 1;
  while (byte(digits) == '%' && byte(digits + 2) >= 0) digits += 2;
  const int value = byte(digits);
  if (value < 0) return {'%', 1};
  return {static_cast<char>(value), digits + 2 - at};
}
inline Character character_at(std::string_view s, size_t at) noexcept {
  return s[at] == '%' ? escaped_at(s, at) : Character{s[at], 1};
}

struct Cursor {
  std::string_view s;
  size_t at;

  template <class Test>
  bool take(Test test) noexcept {
    if (at == s.size()) return false;
    const Character c = character_at(s, at);
    if (!test(c.value)) return false;
    at += c.size;
    return true;
  }
  bool take_one_of(const std::array<bool, 256>& set) noexcept {
    return take([&](char c) { return set[static_cast<uint8_t>(c)]; });
  }
  bool take_word(std::string_view in_lower_case) noexcept {
    for (const char wanted : in_lower_case) {
      if (!take([&](char c) { return lower(c) == wanted; })) return false;
    }
    return true;
  }
};

class Secrets {
 public:
  explicit Secrets(std::string_view s) noexcept : s_(s) {}

  // Where what may be shown of the secret that begins there ends; 0: none begins there. To be asked from the
  // front to the end.
  size_t open_part(size_t at) noexcept {
    const char first = lower(character_at(s_, at).value);
    return first == 's' ? open_part_of_key(at) : first == 'e' ? open_part_of_token(at) : 0;
  }

 private:
  // "sp_ID_", with something behind it.
  size_t open_part_of_key(size_t at) const noexcept {
    Cursor cursor{s_, at};
    if (!cursor.take_word("sp_")) return 0;
    for (size_t i = 0; i < id_size; ++i) {
      if (!cursor.take_one_of(is_letter_or_digit)) return 0;
    }
    if (!cursor.take_word("_")) return 0;
    const size_t open = cursor.at;
    return cursor.take_one_of(is_letter_or_digit) ? open : 0;
  }

  // eyJ is {", and what else JSON allows behind {: a blank, a line's end, a tab.
  static bool take_object(Cursor& cursor) noexcept {
    if (!cursor.take_word("e")) return false;
    if (cursor.take_word("y")) return cursor.take_word("j") || cursor.take_word("a");
    return cursor.take_word("w") && (cursor.take_word("o") || cursor.take_word("k") || cursor.take_word("0"));
  }

  // Of two parts, the first of which is a JSON object, with a dot in between: a JWS that is cut
  // has its payload there. A second part may be empty, before a third one.
  size_t open_part_of_token(size_t at) noexcept {
    if (at < no_token_before_) return 0;
    Cursor cursor{s_, at};
    if (!take_object(cursor)) return 0;
    size_t open = 0;
    size_t characters = 3;
    for (; cursor.take_one_of(is_base64url); ++characters) {
      if (characters + 1 == first_part_shown) open = cursor.at;
    }
    no_token_before_ = cursor.at;  // one that begins later ends here as well: each byte is read once
    if (characters < first_part_min || !cursor.take_word(".")) return 0;
    return cursor.take_one_of(is_base64url) || cursor.take_word(".") ? open : 0;
  }

  std::string_view s_;
  size_t no_token_before_ = 0;
};

}  // namespace

std::string_view without_secrets(std::string_view s, std::string& room, size_t shown_max) {
  // Of one that begins so late that this does not see it, no more than its open part is shown.
  if (!may_hold_secret(s.substr(0, shown_max))) return s;
  room.clear();
  Secrets secrets(s);
  size_t at = 0, copied = 0;
  while (at < s.size() && room.size() + (at - copied) <= shown_max) {
    const size_t open = secrets.open_part(at++);
    if (open == 0) continue;
    room.append(s.substr(copied, open - copied)).append("...");
    at = open;
    while (at < s.size() && is_of_secret[static_cast<uint8_t>(s[at])]) ++at;
    copied = at;
  }
  if (copied == 0) return s;
  return room.append(s.substr(copied, at - copied));
}

}  // namespace sallyport::text
