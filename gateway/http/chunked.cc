// The chunked coding (RFC 9112 section 7.1).
#include <algorithm>

#include "gateway/base/text.h"
#include "gateway/http/framing.h"

namespace sallyport::http {
namespace {

constexpr uint32_t extension_max = 256;
constexpr uint32_t excess_max = 8 * 1024;
constexpr uint32_t trailers_max = 8 * 1024;
constexpr uint32_t digits_max = 16;
constexpr size_t usual_digits = 8;

std::unexpected<Error> bad(std::string_view reason, std::string detail) {
  return fail(Code::malformed_request, reason, std::move(detail));
}

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
bool is_token_char(char c) noexcept { return is_token({&c, 1}); }

}  // namespace

// chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
enum class ChunkExtension : uint8_t {
  blank,       // in front of a ";"
  name_begin,  // behind a ";"
  name,
  name_blank,   // behind a name: "=" or ";" follows
  value_begin,  // behind a "="
  value,
  quoted,
  escaped,  // behind a backslash within quotes
  quoted_end,
  bad,
};

namespace {

// What follows once a name or a value is whole.
ChunkExtension behind_whole(char c, ChunkExtension at_blank) noexcept {
  using enum ChunkExtension;
  return c == ';' ? name_begin : is_blank(c) ? at_blank : bad;
}

ChunkExtension next(ChunkExtension state, char c) noexcept {
  using enum ChunkExtension;
  switch (state) {
    case blank:
    case quoted_end:
      return behind_whole(c, blank);
    case name_begin:
      return is_blank(c) ? name_begin : is_token_char(c) ? name : bad;
    case name:
    case name_blank:
      if (c == '=') return value_begin;
      return state == name && is_token_char(c) ? name : behind_whole(c, name_blank);
    case value_begin:
      return is_blank(c) ? value_begin : c == '"' ? quoted : is_token_char(c) ? value : bad;
    case value:
      return is_token_char(c) ? value : behind_whole(c, blank);
    case quoted:
      return c == '"' ? quoted_end : c == '\\' ? escaped : is_field_value({&c, 1}) ? quoted : bad;
    case escaped:
      return is_field_value({&c, 1}) ? quoted : bad;
    case bad:
      break;
  }
  return bad;
}

// An extension may end here.
bool is_whole(ChunkExtension state) noexcept {
  using enum ChunkExtension;
  return state == name || state == value || state == quoted_end;
}

}  // namespace

Result<ChunkedReader::Step> ChunkedReader::read(Slice input) {
  size_t consumed = 0;
  while (consumed < input.size() && state_ != State::done) {
    consumed += usual_frame(input.substr(consumed));
    if (consumed == input.size()) break;
    Result<Step> one = step(input.substr(consumed));
    if (!one) return one;
    consumed += one->consumed;
    if (!one->content.empty() || !one->trailer.empty())
      return Step{consumed, one->content, one->trailer, false};
  }
  return Step{consumed, {}, {}, state_ == State::done};
}

// What nearly every frame is, CRLF and a short size without an extension, is read here at once if it is all
// there; all else, and all that is wrong, byte by byte. Gives how much that was.
size_t ChunkedReader::usual_frame(Slice input) noexcept {
  size_t at = 0;
  if (state_ == State::content_cr && input.starts_with("\r\n")) {
    state_ = State::size;
    at = 2;
  }
  if (state_ != State::size || digits_ > 0) return at;
  uint64_t bytes = 0;
  size_t end = at;
  for (; end < input.size() && end - at < usual_digits; ++end) {
    const int digit = text::hex_value(input[end]);
    if (digit < 0) break;
    bytes = bytes << 4 | static_cast<uint64_t>(digit);
  }
  if (end == at || !input.substr(end).starts_with("\r\n")) return at;
  left_ = bytes;
  begin_chunk();
  return end + 2;
}

void ChunkedReader::begin_chunk() noexcept {
  state_ = left_ > 0 ? State::content : State::trailer;
  line_bytes_ = digits_ = 0;
  line_empty_ = true;
}

// One byte of the frame, or as much content as there is.
Result<ChunkedReader::Step> ChunkedReader::step(Slice input) {
  if (state_ == State::content) {
    const Slice content = input.substr(0, std::min<uint64_t>(left_, input.size()));
    left_ -= content.size();
    if (left_ == 0) state_ = State::content_cr;
    return Step{content.size(), content, {}, false};
  }
  const char c = input.front();
  switch (state_) {
    case State::size:
      return size_byte(c);
    case State::extension:
      return extension_byte(c);
    case State::size_lf:
      if (c != '\n') return bad("bad_chunk_size", "a chunk's size does not end with CRLF");
      begin_chunk();
      break;
    case State::content_cr:
      if (c != '\r') return bad("bad_chunk_end", "a chunk is longer than its size");
      state_ = State::content_lf;
      break;
    case State::content_lf:
      if (c != '\n') return bad("bad_chunk_end", "a chunk does not end with CRLF");
      state_ = State::size;
      break;
    default:
      return trailer_byte(c);
  }
  return Step{1, {}, {}, false};
}

Result<ChunkedReader::Step> ChunkedReader::size_byte(char c) {
  const int digit = text::hex_value(c);
  if (digit >= 0) {
    if (++digits_ > digits_max || left_ >> 59 != 0)
      return bad("bad_chunk_size", "a chunk's size is too large");
    left_ = left_ << 4 | static_cast<uint64_t>(digit);
  } else if (digits_ == 0 || (c != '\r' && c != ';' && !is_blank(c))) {
    return bad("bad_chunk_size", "a chunk's size is not a hexadecimal number");
  } else {
    state_ = c == '\r' ? State::size_lf : State::extension;
    extension_ = c == ';' ? ChunkExtension::name_begin : ChunkExtension::blank;
    line_bytes_ = 0;
  }
  return Step{1, {}, {}, false};
}

// A sender may say something of its content, and not send nothing but that: what content there is pays.
Result<ChunkedReader::Step> ChunkedReader::extension_byte(char c) {
  if (c == '\r' && is_whole(extension_)) {
    excess_ += line_bytes_;
    excess_ -= std::min(excess_, 2 * left_);
    if (excess_ > excess_max)
      return bad("chunk_extensions_too_large", "there is more in the chunks' extensions than in the chunks");
    state_ = State::size_lf;
    return Step{1, {}, {}, false};
  }
  if (++line_bytes_ > extension_max)
    return bad("chunk_extensions_too_large", "a chunk's extensions are too long");
  extension_ = next(extension_, c);
  if (extension_ == ChunkExtension::bad)
    return bad("bad_chunk_extension", "a chunk's extensions are not well-formed");
  return Step{1, {}, {}, false};
}

Result<ChunkedReader::Step> ChunkedReader::trailer_byte(char c) {
  if (state_ == State::end_lf || state_ == State::trailer_lf) {
    if (c != '\n') return bad("bad_trailer", "a trailer line does not end with CRLF");
    state_ = state_ == State::end_lf ? State::done : State::trailer;
    line_empty_ = true;
    name_done_ = false;
    std::string().swap(line_);  // and its memory: the connection may rest now
    return Step{1, {}, {}, false};
  }
  if (++line_bytes_ > trailers_max) return bad("bad_trailer", "the trailers are too large");
  if (c == '\r') {
    if (!line_empty_ && !name_done_) return bad("bad_trailer", "a trailer line has no colon");
    state_ = line_empty_ ? State::end_lf : State::trailer_lf;
    return Step{1, {}, line_, false};
  }
  if (!name_done_ && c == ':' && !line_empty_) {
    name_done_ = true;
  } else if (name_done_ ? !is_field_value({&c, 1}) : !is_token({&c, 1})) {
    return bad("bad_trailer", "a trailer has a character that it must not have");
  }
  line_empty_ = false;
  if (wanted_) line_ += c;
  return Step{1, {}, {}, false};
}

}  // namespace sallyport::http
