#include "gateway/config/route_pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/base/text.h"
#include "gateway/config/reader.h"

namespace sallyport::config {
namespace {

std::unexpected<Error> bad(std::string detail) {
  return fail(Code::invalid_data, "bad_path_pattern", std::move(detail));
}

// What stands plain in a segment: pchar of RFC 3986 section 3.3, without percent escapes.
bool is_plain(char c) noexcept {
  return text::is_alpha(c) || text::is_digit(c) || std::string_view("-._~!$&'()*+,;=:@").contains(c);
}

bool is_param_name(std::string_view name) noexcept {
  if (name.empty() || text::is_digit(name.front())) return false;
  return std::ranges::all_of(name, [](char c) { return text::is_alpha(c) || text::is_digit(c) || c == '_'; });
}

// A query would otherwise be told to be a part of the segment before it. Within braces it is a bad name.
Result<void> check_path_only(std::string_view text) {
  bool in_braces = false;
  for (const char c : text) {
    if (c == '{' || c == '}') in_braces = c == '{';
    if (in_braces) continue;
    if (c == '?') return bad("a query (\"?\") cannot stand there");
    if (c == '#') return bad("a fragment (\"#\") cannot stand there");
  }
  return {};
}

Result<Segment> parse_literal(std::string_view piece) {
  if (piece.empty()) return bad("it has an empty segment (\"//\")");
  if (piece == "." || piece == "..") return bad("it has a dot segment");
  if (piece == "*" || piece == "**")
    return bad("\"*\" is no wildcard here: write {name}, or {rest...} at the end");
  Segment segment;
  for (char c : piece) {
    if (is_plain(c)) {
      segment.text += c;
    } else if (static_cast<unsigned char>(c) >= 0x80) {  // UTF-8, which is encoded for the user
      segment.text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else if (c == '%') {
      return bad("it is written without percent escapes: write the character itself");
    } else {
      return bad(fmt::format("\"{}\" cannot stand in a path", text::printable({&c, 1})));
    }
  }
  return segment;
}

Result<Segment> parse_segment(std::string_view piece) {
  if (piece.find_first_of("{}") == piece.npos) return parse_literal(piece);
  if (piece.size() < 2 || piece.front() != '{' || piece.back() != '}') {
    return bad(fmt::format("\"{}\": {{name}} must be a whole segment", text::printable(piece)));
  }
  std::string_view name = piece.substr(1, piece.size() - 2);
  const bool rest = name.ends_with("...");
  if (rest) name.remove_suffix(3);
  if (!is_param_name(name)) {
    return bad(
        fmt::format("\"{}\": a name is made of letters, digits and \"_\", and does not begin with a digit",
                    text::printable(piece)));
  }
  return Segment{rest ? Segment::Kind::rest : Segment::Kind::param, std::string(name)};
}

Result<void> check_params(const std::vector<Segment>& segments) {
  std::vector<std::string_view> names;
  for (const Segment& segment : segments) {
    if (segment.kind == Segment::Kind::literal) continue;
    if (segment.kind == Segment::Kind::rest && &segment != &segments.back()) {
      return bad(
          fmt::format("{{{}...}} takes all that remains and so must be the last segment", segment.text));
    }
    if (std::ranges::find(names, segment.text) != names.end()) {
      return bad(fmt::format("{{{}}} is there twice", segment.text));
    }
    names.push_back(segment.text);
  }
  if (names.size() > PathPattern::params_max) {
    return bad(fmt::format("it has more than {} {{names}}", PathPattern::params_max));
  }
  return {};
}

}  // namespace

Result<PathPattern> PathPattern::parse(std::string_view text) {
  if (!text.starts_with('/')) return bad("a path begins with \"/\"");
  if (text.size() > bytes_max) return bad(fmt::format("it is longer than {} bytes", bytes_max));
  if (!text::is_utf8(text)) return bad("it is not UTF-8");
  if (auto plain = check_path_only(text); !plain) return std::unexpected(std::move(plain.error()));
  PathPattern pattern;
  pattern.text = text;
  std::string_view left = text.substr(1);
  while (!left.empty()) {
    const size_t slash = left.find('/');
    auto segment = parse_segment(left.substr(0, slash));
    if (!segment) return std::unexpected(std::move(segment.error()));
    pattern.segments.push_back(std::move(*segment));
    if (pattern.segments.size() > segments_max)
      return bad(fmt::format("it has more than {} segments", segments_max));
    if (slash == left.npos) break;
    left.remove_prefix(slash + 1);
    pattern.trailing_slash = left.empty();
  }
  if (pattern.trailing_slash && pattern.segments.back().kind == Segment::Kind::rest) {
    return bad(
        fmt::format("{{{}...}} takes all that remains, a last \"/\" too", pattern.segments.back().text));
  }
  if (auto params = check_params(pattern.segments); !params)
    return std::unexpected(std::move(params.error()));
  return pattern;
}

std::string PathPattern::shape() const {
  std::string shape;
  for (const Segment& segment : segments) {
    shape += '/';
    if (segment.kind == Segment::Kind::literal) shape += segment.text;
    if (segment.kind == Segment::Kind::param) shape += "{}";
    if (segment.kind == Segment::Kind::rest) shape += "{...}";
  }
  if (trailing_slash || segments.empty()) shape += '/';
  return shape;
}

bool PathPattern::shorthand(Reader& reader) {
  std::string written;
  reader.value(written);
  if (!reader.whole()) return true;
  auto parsed = parse(written);
  if (parsed)
    *this = std::move(*parsed);
  else
    reader.error(fmt::format("path \"{}\": {}", text::printable(written), parsed.error().detail));
  return true;
}

bool PathPattern::shorthand(Writer& writer) const {
  writer.text_value(text);
  return true;
}

void PathPattern::check(Reader& reader) {
  reader.error("expected a path such as \"/orders/{id}\", found a map");
}

}  // namespace sallyport::config
