#include "gateway/http/uri.h"

#include <algorithm>
#include <array>

#include "gateway/base/text.h"

namespace sallyport::http {
namespace {

std::unexpected<Error> bad(std::string_view reason, std::string detail) {
  return fail(Code::malformed_request, reason, std::move(detail));
}

// What stands plain in a canonical path: pchar of RFC 3986 section 3.3 and "/".
constexpr auto plain = text::letters_digits_and("-._~!$&'()*+,;=:@/");
constexpr auto unreserved = text::letters_digits_and("-._~");  // section 2.3
// reg-name of section 3.2.2 without escapes and sub-delimiters; "_" is in use.
constexpr auto& host_chars = unreserved;
constexpr auto lower_host_chars = [] {
  std::array<bool, 256> all = host_chars;
  for (char c = 'A'; c <= 'Z'; ++c) all[static_cast<size_t>(c)] = false;
  return all;
}();

// All of them are in the set.
bool all_in(const std::array<bool, 256>& set, Slice text) noexcept {
  return std::ranges::all_of(text, [&](char c) { return set[static_cast<uint8_t>(c)]; });
}

// "." or ".." as a segment, also with path parameters ("..;x"), which some backends cut off before they look,
// and some after they have decoded them ("..%3Bx").
bool is_dot_segment(Slice segment) noexcept {
  const Slice name = segment.substr(0, std::min(segment.find(';'), segment.find("%3B")));
  return name == "." || name == "..";
}

bool has_dot_segment(Slice path) noexcept {
  if (path.find("/.") == Slice::npos) return false;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    if (is_dot_segment(path.substr(0, end))) return true;
    path.remove_prefix(end);
  }
  return false;
}

// The byte behind a "%", or -1.
int escaped_byte(Slice text, size_t at) noexcept {
  if (at + 2 >= text.size()) return -1;
  const int high = text::hex_value(text[at + 1]), low = text::hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// True if the escapes there are a character of UTF-8 in more bytes than it needs (RFC 3629 section 3), also
// in the forms of five and six that there once were: a lenient decoder reads "%C0%AE" as ".".
bool is_overlong(Slice escapes) noexcept {
  struct Form {
    int lead, enough;  // where the second byte is that or more, the length is needed
    size_t bytes;
  };
  static constexpr Form forms[] = {{0xc0, 0xc0, 2}, {0xc1, 0xc0, 2}, {0xe0, 0xa0, 3},
                                   {0xf0, 0x90, 4}, {0xf8, 0x88, 5}, {0xfc, 0x84, 6}};
  const auto* form = std::ranges::find(forms, escaped_byte(escapes, 0), &Form::lead);
  if (form == std::end(forms) || escapes.size() < 3 * form->bytes) return false;
  for (size_t i = 1; i < form->bytes; ++i) {
    const int byte = escapes[3 * i] == '%' ? escaped_byte(escapes, 3 * i) : -1;
    if (byte < 0x80 || byte >= (i == 1 ? form->enough : 0xc0)) return false;
  }
  return true;
}

bool has_overlong(Slice canonical) noexcept {
  for (size_t i = canonical.find('%'); i != Slice::npos; i = canonical.find('%', i + 3)) {
    if (is_overlong(canonical.substr(i))) return true;
  }
  return false;
}

Result<void> check_bytes(Slice target) {
  for (char c : target) {
    if (c == '#') return bad("fragment", "a request target has no fragment");
    if (static_cast<uint8_t>(c) < 0x21 || static_cast<uint8_t>(c) > 0x7e) {
      return bad("bad_target_byte", "the request target has a byte that must be percent-encoded");
    }
  }
  return {};
}

Result<void> check_query(Slice query) {
  for (size_t i = query.find('%'); i != Slice::npos; i = query.find('%', i + 1)) {
    const int byte = escaped_byte(query, i);
    if (byte < 0) return bad("bad_escape", "the query has a percent sign without two hex digits");
    if (byte == 0) return bad("encoded_nul", "the query has an encoded NUL");
  }
  return {};
}

Result<Slice> canonical_path(Slice path, Arena& arena) {
  if (!path.starts_with('/')) return bad("bad_path", "the path does not begin with a slash");
  if (all_in(plain, path)) {
    if (has_dot_segment(path)) return bad("dot_segment", "the path has a dot segment");
    return path;
  }
  char* const out = arena.allocate(path.size() * 3);
  char* to = out;
  for (size_t i = 0; i < path.size(); ++i) {
    auto byte = static_cast<uint8_t>(path[i]);
    if (byte == '\\') return bad("backslash", "the path has a backslash");
    const bool escaped = byte == '%';
    if (escaped) {
      const int value = escaped_byte(path, i);
      if (value < 0) return bad("bad_escape", "the path has a percent sign without two hex digits");
      byte = static_cast<uint8_t>(value);
      i += 2;
      if (byte == '/' || byte == '\\')
        return bad("encoded_slash", "the path has an encoded slash or backslash");
      if (byte < 0x20 || byte == 0x7f)
        return bad("encoded_control", "the path has an encoded control character");
    }
    // An escaped sub-delimiter stays escaped: "%3B" and ";" may mean two things (RFC 3986 section 2.2).
    if (escaped ? unreserved[byte] : plain[byte]) {
      *to++ = static_cast<char>(byte);
    } else {
      *to++ = '%';
      *to++ = "0123456789ABCDEF"[byte >> 4];
      *to++ = "0123456789ABCDEF"[byte & 15];
    }
  }
  const Slice canonical(out, static_cast<size_t>(to - out));
  if (has_overlong(canonical))
    return bad("overlong_utf8", "the path has a character of UTF-8 in more bytes than it needs");
  if (has_dot_segment(canonical)) return bad("dot_segment", "the path has a dot segment");
  return canonical;
}

bool is_ipv6(Slice s) noexcept {
  return s.size() >= 2 && s.size() <= 45 && s.find(':') != Slice::npos &&
         std::ranges::all_of(s, [](char c) { return text::hex_value(c) >= 0 || c == ':' || c == '.'; });
}

char* decode(Slice text, char* to, bool plus_is_space) noexcept {
  for (size_t i = 0; i < text.size(); ++i) {
    const int byte = text[i] == '%' ? escaped_byte(text, i) : -1;
    if (byte >= 0) {
      *to++ = static_cast<char>(byte);
      i += 2;
    } else {
      *to++ = plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return to;
}

Slice decode_into(Slice text, Arena& arena, bool plus_is_space) {
  if (text.find('%') == Slice::npos && (!plus_is_space || text.find('+') == Slice::npos)) return text;
  char* const out = arena.allocate(text.size());
  return {out, static_cast<size_t>(decode(text, out, plus_is_space) - out)};
}

}  // namespace

Result<Target> parse_target(Slice target, Arena& arena) {
  if (Result<void> bytes = check_bytes(target); !bytes) return std::unexpected(std::move(bytes.error()));
  Target out;
  if (target == "*") {
    out.path = target;
    return out;
  }
  Slice rest = target;
  if (!rest.starts_with('/')) {  // absolute-form
    const size_t scheme = text::iequals(rest.substr(0, 7), "http://")    ? 7
                          : text::iequals(rest.substr(0, 8), "https://") ? 8
                                                                         : 0;
    if (scheme == 0) return bad("bad_target", "the request target is neither a path nor an http URL");
    rest.remove_prefix(scheme);
    const size_t end = std::min(rest.find_first_of("/?"), rest.size());
    out.authority = rest.substr(0, end);
    if (out.authority.empty()) return bad("bad_target", "the request target names no host");
    rest.remove_prefix(end);
  }
  const size_t mark = rest.find('?');
  const Slice raw_path = rest.substr(0, mark);
  Result<Slice> path =
      raw_path.empty() && !out.authority.empty() ? Slice("/") : canonical_path(raw_path, arena);
  if (!path) return std::unexpected(std::move(path.error()));
  out.path = *path;
  if (mark != Slice::npos) out.query = rest.substr(mark + 1);
  if (Result<void> query = check_query(out.query); !query) return std::unexpected(std::move(query.error()));
  return out;
}

Result<Authority> parse_authority(Slice value, Arena& arena) {
  Authority out;
  Slice host = value, port;
  bool has_port = false, is_lower = false;
  if (value.starts_with('[')) {
    const size_t end = value.find(']');
    if (end == Slice::npos || !is_ipv6(value.substr(1, end - 1)))
      return bad("bad_host", "this is not an IPv6 address");
    host = value.substr(0, end + 1);
    port = value.substr(end + 1);
    has_port = !port.empty();
    if (has_port && !port.starts_with(':')) return bad("bad_host", "something follows the IPv6 address");
    if (has_port) port.remove_prefix(1);
  } else {
    const size_t colon = value.find(':');
    host = value.substr(0, colon);
    has_port = colon != Slice::npos;
    if (has_port) port = value.substr(colon + 1);
    if (host.empty() || host.size() > 255)
      return bad("bad_host", "there is no host, or one that is too long");
    is_lower = all_in(lower_host_chars, host);
    if (!is_lower && !all_in(host_chars, host))
      return bad("bad_host", "the host has a character that no host has");
    if (host.starts_with('.') || host.find("..") != Slice::npos)
      return bad("bad_host", "the host has a label without a character");
  }
  if (has_port) {
    const auto number = port.size() > 5 ? std::nullopt : text::parse_decimal(port);
    if (!number || *number == 0 || *number > 65535)
      return bad("bad_host", "the port is not a number from 1 to 65535");
    out.port = static_cast<uint16_t>(*number);
  }
  out.host = host;
  if (is_lower) return out;
  char* lower = arena.allocate(host.size());
  std::ranges::transform(host, lower, text::lower);
  out.host = {lower, host.size()};
  return out;
}

bool has_empty_segment(Slice path) noexcept { return path.find("//") != Slice::npos; }
bool has_parameters(Slice path) noexcept { return path.find(';') != Slice::npos; }

Slice merge_slashes(Slice path, Arena& arena) {
  if (!has_empty_segment(path)) return path;
  char* const out = arena.allocate(path.size());
  const char* end =
      std::ranges::unique_copy(path, out, [](char a, char b) { return a == '/' && b == '/'; }).out;
  return {out, static_cast<size_t>(end - out)};
}

Slice cut_parameters(Slice path, Arena& arena) {
  if (!has_parameters(path)) return merge_slashes(path, arena);
  char* const out = arena.allocate(path.size());
  char* to = out;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/', 1), path.size());
    const Slice segment = path.substr(0, end);  // behind its slash
    to = std::ranges::copy(segment.substr(0, segment.find(';')), to).out;
    path.remove_prefix(end);
  }
  return merge_slashes({out, static_cast<size_t>(to - out)}, arena);
}

Slice plain_delimiters(Slice path, Arena& arena) {
  const auto delimiter_at = [&](size_t i) {
    const int byte = escaped_byte(path, i);
    const auto index = static_cast<size_t>(byte);
    return byte >= 0 && byte != '/' && plain[index] && !unreserved[index] ? byte : -1;
  };
  size_t at = path.find('%');
  while (at != Slice::npos && delimiter_at(at) < 0) at = path.find('%', at + 1);
  if (at == Slice::npos) return path;
  char* const out = arena.allocate(path.size());
  char* to = std::ranges::copy(path.substr(0, at), out).out;
  for (size_t i = at; i < path.size(); ++i) {
    const int byte = path[i] == '%' ? delimiter_at(i) : -1;
    *to++ = byte < 0 ? path[i] : static_cast<char>(byte);
    if (byte >= 0) i += 2;
  }
  return {out, static_cast<size_t>(to - out)};
}

Slice percent_decode(Slice text, Arena& arena) { return decode_into(text, arena, false); }

Result<std::vector<QueryPair>> parse_query(Slice query, Arena& arena, size_t pairs_max) {
  std::vector<QueryPair> pairs;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const Slice pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    if (pairs.size() >= pairs_max)
      return fail(Code::invalid_parameter, "too_many_parameters", "the query has too many parameters");
    const size_t equals = pair.find('=');
    const Slice value = equals == Slice::npos ? Slice{} : pair.substr(equals + 1);
    pairs.push_back({decode_into(pair.substr(0, equals), arena, true), decode_into(value, arena, true)});
  }
  return pairs;
}

Slice plain_query(Slice query, Arena& arena) {
  if (query.find_first_of("+;") == Slice::npos) return query;
  char* const out = arena.allocate(query.size() * 3);
  char* to = out;
  for (const char c : query) {
    const Slice piece = c == '+' ? "%20" : c == ';' ? "%3B" : Slice(&c, 1);
    to = std::ranges::copy(piece, to).out;
  }
  return {out, static_cast<size_t>(to - out)};
}

}  // namespace sallyport::http
