#include "gateway/base/pattern_automaton.h"

#include <re2/re2.h>

#include <algorithm>
#include <string>
#include <utility>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

using Symbols = Automaton::Symbols;
constexpr size_t ascii = Automaton::ascii;
constexpr size_t symbols = Automaton::symbols;
constexpr size_t nodes_max = 20'000;

class Parser {
 public:
  explicit Parser(std::string_view expression) : text_(expression) {}

  std::optional<Automaton> parse() {
    const Part whole = alternatives(0);
    if (!understood_ || at_ < text_.size()) return std::nullopt;
    out_.start = whole.first;
    out_.accept = whole.last;
    out_.begins_with_begin = text_.substr(behind_flags()).starts_with('^') && !lines_ && !top_level_choice_;
    out_.ends_with_end = ends_with_end_ && !lines_ && !top_level_choice_;
    return std::move(out_);
  }

 private:
  struct Part {
    size_t first, last;
  };
  static constexpr int depth_max = 200;

  bool more() const noexcept { return understood_ && at_ < text_.size(); }
  bool take(std::string_view what) noexcept {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  Part unknown() noexcept {
    understood_ = false;
    return {0, 0};
  }
  size_t node() noexcept {
    if (++out_.nodes > nodes_max) understood_ = false;
    return out_.nodes - 1;
  }
  void edge(size_t from, size_t to, Automaton::Kind kind = Automaton::Kind::empty, size_t set = 0) {
    if (understood_) out_.edges.push_back({from, to, kind, set});
  }
  Part one(Automaton::Kind kind, size_t set = 0) {
    const Part part{node(), node()};
    edge(part.first, part.last, kind, set);
    return part;
  }
  void fold_in(char letter, std::string_view other, Symbols& set) {
    const bool has = set[static_cast<size_t>(letter)];
    const Symbols behind = set >> ascii;
    if (has ? behind.count() == symbols - ascii : behind.none()) return;  // all, or none
    const Symbols same = beyond(other);
    set = has ? set | same : set & ~same;
  }
  Part one_of(Symbols set) {
    if (fold_) {
      for (size_t c = 'a'; c <= 'z'; ++c) {
        const bool either = set[c] || set[c - 32];
        set[c] = set[c - 32] = either;
      }
      // The Kelvin sign and the long s are a k and an s without regard to case.
      fold_in('k', "\\x{212a}", set);
      fold_in('s', "\\x{17f}", set);
    }
    const auto known = std::ranges::find(out_.sets, set, [](const Symbols& s) { return s; });
    const auto index = static_cast<size_t>(known - out_.sets.begin());
    if (known == out_.sets.end()) out_.sets.push_back(set);
    return one(Automaton::Kind::symbol, index);
  }

  // All characters beyond ASCII that are in a set, which is written so: nobody knows how two of them meet.
  Symbols beyond(std::string_view written) {
    auto at = std::ranges::find(beyond_, written);
    if (at == beyond_.end() && beyond_.size() == Automaton::beyond_max) return unknown(), Symbols();
    if (at == beyond_.end()) {
      const re2::RE2 alone("^[" + std::string(written) + "]$", re2::RE2::Quiet);
      if (!alone.ok()) return unknown(), Symbols();
      out_.beyond_states += static_cast<size_t>(alone.ProgramSize()) / 4;
      at = beyond_.emplace(beyond_.end(), written);
    }
    Symbols set;
    for (size_t choice = 0; choice < symbols - ascii; ++choice)
      set[ascii + choice] = (choice >> (at - beyond_.begin()) & 1) != 0;
    return set;
  }
  // The same with what it has of ASCII.
  Symbols whole(std::string_view written) {
    Symbols set = beyond(written);
    const re2::RE2 one("^[" + std::string(written) + "]$", re2::RE2::Quiet);
    for (size_t c = 0; c < ascii && understood_; ++c) {
      const char byte = static_cast<char>(c);
      set[c] = re2::RE2::PartialMatch(re2::StringPiece(&byte, 1), one);
    }
    return set;
  }

  Part alternatives(int depth) {
    if (depth > depth_max) return unknown();
    Part all = sequence(depth);
    while (take("|")) {
      top_level_choice_ = top_level_choice_ || depth == 0;
      const Part other = sequence(depth), both{node(), node()};
      edge(both.first, all.first);
      edge(both.first, other.first);
      edge(all.last, both.last);
      edge(other.last, both.last);
      all = both;
    }
    return all;
  }

  Part sequence(int depth) {
    Part all{node(), 0};
    all.last = all.first;
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      if (depth == 0) ends_with_end_ = text_[at_] == '$' && at_ + 1 == text_.size();
      const Part next = repeated(depth);
      edge(all.last, next.first);
      all.last = next.last;
    }
    return all;
  }

  struct Counts {
    size_t least, most;  // most 0: without end
  };
  std::optional<size_t> number() noexcept {
    const size_t from = at_;
    while (at_ < text_.size() && text::is_digit(text_[at_])) ++at_;
    const auto value = text::parse_decimal(text_.substr(from, at_ - from));
    return value ? std::optional<size_t>(*value) : std::nullopt;
  }
  std::optional<Counts> counts() noexcept {
    if (take("*")) return Counts{0, 0};
    if (take("+")) return Counts{1, 0};
    if (take("?")) return Counts{0, 1};
    const size_t from = at_;
    if (!take("{")) return std::nullopt;
    if (const auto least = number()) {
      if (take("}")) return Counts{*least, *least};
      if (take(",}")) return Counts{*least, 0};
      if (take(",")) {
        const auto most = number();
        if (most && take("}")) return Counts{*least, *most};
      }
    }
    at_ = from;  // a brace like any other character
    return std::nullopt;
  }

  // Each time is a copy of its own, which is read again.
  Part repeated(int depth) {
    const size_t from = at_;
    Part all = atom(depth);
    const auto times = counts();
    if (!times) return all;
    take("?");
    const size_t behind = at_;
    const bool lone = times->most == 0 && times->least <= 1;
    if (more() && std::string_view("*+?").contains(text_[at_])) return unknown();
    Part out{node(), 0};
    out.last = out.first;
    const size_t copies = lone ? 1 : times->most == 0 ? times->least : times->most;
    std::vector<size_t> may_end;
    for (size_t i = 0; i < copies && understood_; ++i) {
      if (i > 0) {
        at_ = from;
        all = atom(depth);
      }
      if (i >= times->least) may_end.push_back(out.last);
      edge(out.last, all.first);
      out.last = all.last;
    }
    if (times->most == 0) edge(all.last, all.first);
    const size_t end = node();
    edge(out.last, end);
    for (const size_t early : may_end) edge(early, end);
    at_ = behind;
    return {out.first, end};
  }

  Part atom(int depth) {
    const char c = text_[at_++];
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return one_of(bracket());
      case '.':
        return one_of(Symbols().set().set('\n', newline_));
      case '^':
        out_.asks_for_begin = true;
        return lines_ ? unknown() : one(Automaton::Kind::begin);
      case '$':
        out_.asks_for_end = true;
        return lines_ ? unknown() : one(Automaton::Kind::end);
      case '\\':
        return escape();
      case '*':
      case '+':
      case '?':
        return unknown();
      default:
        --at_;
        return one_of(character());
    }
  }

  Part group(int depth) {
    if (take("?")) {
      if (take("P<") || take("<")) {
        at_ = std::min(text_.find('>', at_), text_.size() - 1) + 1;
      } else if (!take(":")) {
        return flags();
      }
    }
    const Part inside = alternatives(depth + 1);
    return take(")") ? inside : unknown();
  }
  // Where an expression begins that may have flags in front.
  size_t behind_flags() const noexcept {
    const size_t end = text_.starts_with("(?") ? text_.find_first_not_of("imsU", 2) : text_.npos;
    return end != text_.npos && text_[end] == ')' ? end + 1 : 0;
  }
  // "(?i)" at the begin, for all.
  Part flags() {
    if (at_ != 2) return unknown();
    for (; more() && text_[at_] != ')'; ++at_) {
      fold_ = fold_ || text_[at_] == 'i';
      lines_ = lines_ || text_[at_] == 'm';
      newline_ = newline_ || text_[at_] == 's';
      if (!std::string_view("imsU").contains(text_[at_])) return unknown();
    }
    return take(")") ? one(Automaton::Kind::empty) : unknown();
  }

  Symbols character() {
    const size_t from = at_;
    const auto byte = static_cast<uint8_t>(text_[at_++]);
    if (byte < ascii) return Symbols().set(byte);
    while (at_ < text_.size() && (static_cast<uint8_t>(text_[at_]) & 0xc0) == 0x80) ++at_;
    return beyond(text_.substr(from, at_ - from));
  }

  Part escape() {
    if (take("b") || take("B")) return unknown();
    if (take("A")) {
      out_.asks_for_begin = true;
      return one(Automaton::Kind::begin);
    }
    if (take("z")) {
      out_.asks_for_end = true;
      return one(Automaton::Kind::end);
    }
    return one_of(escaped());
  }

  // What stands behind a backslash, in brackets and without.
  Symbols escaped() {
    if (!more()) return unknown(), Symbols();
    const size_t from = at_ - 1;
    const char c = text_[at_++];
    Symbols set;
    const auto range = [&](char first, char last) {
      for (char i = first; i <= last; ++i) set.set(static_cast<size_t>(i));
    };
    switch (text::lower(c)) {
      case 'd':
        range('0', '9');
        return c == 'D' ? ~set : set;
      case 'w':
        range('0', '9'), range('a', 'z'), range('A', 'Z'), range('_', '_');
        return c == 'W' ? ~set : set;
      case 's':
        range('\t', '\n'), range('\f', '\r'), range(' ', ' ');
        return c == 'S' ? ~set : set;
      case 'p':
        at_ = take("{") ? std::min(text_.find('}', at_), text_.size() - 1) + 1
                        : std::min(at_ + 1, text_.size());
        return whole(text_.substr(from, at_ - from));
      default:
        break;
    }
    if (c == 'x') return hexadecimal(from);
    constexpr std::string_view names = "tnrfva", values = "\t\n\r\f\v\a";
    if (const size_t i = names.find(c); i != names.npos) return set.set(static_cast<size_t>(values[i]));
    if (text::is_alpha(c) || text::is_digit(c)) return unknown(), set;
    --at_;
    return character();
  }

  Symbols hexadecimal(size_t from) {
    const bool braces = take("{");
    size_t value = 0;
    for (size_t digits = 0; more() && (braces || digits < 2); ++digits, ++at_) {
      const int digit = text::hex_value(text_[at_]);
      if (digit < 0) break;
      value = std::min<size_t>(value * 16 + static_cast<size_t>(digit), 0x110000);
    }
    if (braces && !take("}")) understood_ = false;
    return value < ascii ? Symbols().set(value) : beyond(text_.substr(from, at_ - from));
  }

  Symbols bracket() {
    const bool negated = take("^");
    Symbols all;
    for (bool first = true; more() && (first || text_[at_] != ']'); first = false) {
      if (take("[:")) {
        all |= named();
        continue;
      }
      const size_t from = at_;
      const Symbols item = bracket_item();
      const bool is_range = at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']';
      if (!is_range) {
        all |= item;
        continue;
      }
      ++at_;
      const size_t low = item._Find_first(), high = bracket_item()._Find_first();
      for (size_t i = low; i <= high && i < ascii; ++i) all.set(i);
      if (high >= ascii) all |= beyond(text_.substr(from, at_ - from));
    }
    if (!take("]")) understood_ = false;
    return negated ? ~all : all;
  }
  // "[:alpha:]", behind its first colon.
  Symbols named() {
    const size_t end = std::min(text_.find(":]", at_), text_.size());
    const std::string_view name = text_.substr(at_, end - at_);
    at_ = end;
    if (!take(":]")) return unknown(), Symbols();
    const bool alpha = name == "alpha" || name == "alnum" || name == "word";
    const bool digit = name == "digit" || name == "alnum" || name == "word" || name == "xdigit";
    if (!alpha && !digit && name != "upper" && name != "lower" && name != "space")
      return unknown(), Symbols();
    Symbols set;
    for (size_t i = 0; i < ascii; ++i) {
      const char c = static_cast<char>(i);
      const bool letter = text::is_alpha(c), lower = letter && text::lower(c) == c;
      set[i] = (alpha && letter) || (digit && text::is_digit(c)) || (name == "word" && c == '_') ||
               (name == "upper" && letter && !lower) || (name == "lower" && lower) ||
               (name == "xdigit" && text::hex_value(c) >= 0) ||
               (name == "space" && std::string_view(" \t\n\r\f\v").contains(c));
    }
    return set;
  }
  Symbols bracket_item() {
    if (!more()) return unknown(), Symbols();
    return take("\\") ? escaped() : character();
  }

  std::string_view text_;
  size_t at_ = 0;
  Automaton out_;
  bool understood_ = true;
  std::vector<std::string> beyond_;  // as they are written
  bool fold_ = false, lines_ = false, newline_ = false;
  bool ends_with_end_ = false, top_level_choice_ = false;
};

}  // namespace

std::optional<Automaton> Automaton::parse(std::string_view expression) { return Parser(expression).parse(); }

}  // namespace sallyport
