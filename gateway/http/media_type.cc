#include "gateway/http/media_type.h"

#include <algorithm>

#include "gateway/base/text.h"
#include "gateway/http/headers.h"

namespace sallyport::http {
namespace {

void skip_blanks(Slice& rest) noexcept {
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
}

Slice take(Slice& rest, size_t length) noexcept {
  const Slice taken = rest.substr(0, length);
  rest.remove_prefix(length);
  return taken;
}

// What stands between the quotes of a quoted-string (RFC 9110 section 5.6.4) that has to begin here; nothing
// if it does not end. Controls cannot be in it: no field's value has any.
std::optional<Slice> take_quoted(Slice& rest) noexcept {
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      return take(rest, i + 1).substr(1, i - 1);
    }
  }
  return std::nullopt;
}

}  // namespace

bool MediaType::Parameter::is(Slice wanted_name, Slice wanted_value) const noexcept {
  if (!text::iequals(name, wanted_name)) return false;
  size_t at = 0;
  for (const char wanted : wanted_value) {
    if (at < value.size() && value[at] == '\\') ++at;
    if (at >= value.size() || text::lower(value[at++]) != text::lower(wanted)) return false;
  }
  return at == value.size();
}

// parameter = token "=" ( token / quoted-string ), without blanks around the equals sign.
bool MediaType::add_parameter(Slice& rest) noexcept {
  Parameter read;
  read.name = take(rest, token_length(rest));
  if (read.name.empty() || !rest.starts_with('=') || count_ == parameters_max) return false;
  rest.remove_prefix(1);
  if (rest.starts_with('"')) {
    const std::optional<Slice> quoted = take_quoted(rest);
    if (!quoted) return false;
    read.value = *quoted;
  } else {
    read.value = take(rest, token_length(rest));
    if (read.value.empty()) return false;
  }
  const bool twice = std::ranges::any_of(
      parameters(), [&](const Parameter& other) { return text::iequals(other.name, read.name); });
  parameters_[count_++] = read;
  return !twice;
}

std::optional<MediaType> MediaType::parse(Slice value) noexcept {
  MediaType out;
  const size_t type = token_length(value);
  if (type == 0 || value.substr(type, 1) != "/") return std::nullopt;
  const size_t subtype = token_length(value.substr(type + 1));
  if (subtype == 0) return std::nullopt;
  Slice rest = value;
  out.type_ = take(rest, type + 1 + subtype);
  while (!rest.empty()) {  // *( OWS ";" OWS [ parameter ] )
    skip_blanks(rest);
    if (!rest.starts_with(';')) return std::nullopt;
    rest.remove_prefix(1);
    skip_blanks(rest);
    if (!rest.empty() && rest.front() != ';' && !out.add_parameter(rest)) return std::nullopt;
  }
  return out;
}

std::optional<MediaType> MediaType::of(const Headers& headers) noexcept {
  if (headers.count(HeaderId::content_type) != 1) return std::nullopt;
  return parse(headers.get(HeaderId::content_type));
}

bool MediaType::is(Slice type) const noexcept { return text::iequals(type_, type); }

}  // namespace sallyport::http
