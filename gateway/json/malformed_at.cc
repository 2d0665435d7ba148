// Where a text stops being JSON (RFC 8259): one pass, no recursion, no memory.
#include <algorithm>
#include <bitset>

#include "gateway/base/text.h"
#include "gateway/json/json.h"

namespace sallyport::json {
namespace {

class Scan {
 public:
  explicit Scan(std::string_view text) noexcept : text_(text) {}

  // Up to the first byte that cannot follow what stands before it.
  bool document() noexcept {
    do {
      blanks();
      if (wants_value_ ? !value() : !behind_value()) return false;
      blanks();
    } while (depth_ > 0 || wants_value_);
    return at_ == text_.size();
  }
  size_t at() const noexcept { return at_; }
  bool too_deep() const noexcept { return too_deep_; }

 private:
  static constexpr size_t depth_max = 256;  // as deep as the parser goes

  bool take(char c) noexcept {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view word) noexcept {
    return std::ranges::all_of(word, [this](char c) { return take(c); });
  }
  void blanks() noexcept {
    while (take(' ') || take('\t') || take('\n') || take('\r')) {
    }
  }
  bool digits() noexcept {
    const size_t before = at_;
    while (at_ < text_.size() && text::is_digit(text_[at_])) ++at_;
    return at_ > before;
  }

  bool value() noexcept {
    if (take('{')) return open(true) && (close('}') || name());
    if (take('[')) return open(false) && (close(']') || true);
    wants_value_ = false;
    if (take('"')) return string();
    if (take('t')) return word("rue");
    if (take('f')) return word("alse");
    if (take('n')) return word("ull");
    return number();
  }
  bool open(bool object) noexcept {
    too_deep_ = depth_ >= depth_max;
    if (too_deep_) return false;
    is_object_[depth_++] = object;
    blanks();
    return true;
  }
  // What was opened is empty, or ends here.
  bool close(char end) noexcept {
    if (!take(end)) return false;
    --depth_;
    wants_value_ = false;
    return true;
  }
  bool name() noexcept {
    blanks();
    if (!take('"') || !string()) return false;
    blanks();
    wants_value_ = true;
    return take(':');
  }
  bool behind_value() noexcept {
    const bool object = is_object_[depth_ - 1];
    if (close(object ? '}' : ']')) return true;
    if (!take(',')) return false;
    wants_value_ = true;
    return !object || name();
  }
  bool string() noexcept {
    while (at_ < text_.size() && static_cast<uint8_t>(text_[at_]) >= 0x20) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }
  bool escape() noexcept;
  bool number() noexcept {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits();
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t depth_ = 0;
  std::bitset<depth_max> is_object_;
  bool wants_value_ = true;
  bool too_deep_ = false;
};

bool Scan::escape() noexcept {
  if (!take('u')) {
    const bool known = at_ < text_.size() && std::string_view("\"\\/bfnrt").contains(text_[at_]);
    at_ += known ? 1 : 0;
    return known;
  }
  for (int i = 0; i < 4; ++i, ++at_) {
    if (at_ >= text_.size() || text::hex_value(text_[at_]) < 0) return false;
  }
  return true;
}

}  // namespace

std::optional<size_t> malformed_at(std::string_view text) noexcept {
  Scan scan(text);
  if (scan.document() || scan.too_deep()) return std::nullopt;
  return scan.at();
}

}  // namespace sallyport::json
