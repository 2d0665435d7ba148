#include "gateway/http/framing.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "gateway/base/block.h"
#include "gateway/base/text.h"

namespace sallyport::http {
namespace {

std::unexpected<Error> bad_request(std::string_view reason, std::string detail) {
  return fail(Code::malformed_request, reason, std::move(detail));
}
std::unexpected<Error> bad_response(std::string_view reason, std::string detail) {
  return fail(Code::upstream_bad_answer, reason, std::move(detail));
}

struct HeadFault {
  std::string_view reason;  // empty: none
  const char* detail = "";
};
constexpr HeadFault control = {"control_character", "there is a control character"};

// Nothing but SP and VCHAR, where there is no other control character than HTAB.
bool is_visible(Slice line) noexcept {
  if (line.size() >= sizeof(Block)) {
    return find_by_blocks(line.data(), line.size(), [](Block b) { return (b > 0x7e) | (b == '\t'); }) ==
           line.size();
  }
  return std::ranges::none_of(line, [](char c) { return static_cast<uint8_t>(c) > 0x7e || c == '\t'; });
}

HeadFault check_field(Slice line) noexcept {
  const size_t name = token_length(line);
  if (name > 0 && name < line.size() && line[name] == ':') return {};
  if (line.front() == ' ' || line.front() == '\t')
    return {"obs_fold", "a header goes on in the next line (obs-fold)"};
  const size_t colon = line.find(':');
  if (colon == Slice::npos) return {"no_colon", "a header line has no colon"};
  if (colon == 0) return {"empty_name", "a header has no name"};
  if (line[colon - 1] == ' ' || line[colon - 1] == '\t')
    return {"space_before_colon", "a header has white space before its colon"};
  return {"bad_name", "a header's name has a character that no name has"};
}

// Line by line: CRLF and nothing else ends one. ascii_line: the first has no HTAB, and nothing above 0x7e.
HeadFault check_head(Slice head, bool ascii_line) noexcept {
  for (bool first = true; !head.empty(); first = false) {
    const size_t end = text::find_control(head);
    const Slice line = head.substr(0, end);
    if (first && ascii_line && !is_visible(line)) return control;
    if (head.substr(end, 2) != "\r\n") {
      const bool ends = end == head.size() || head[end] == '\r' || head[end] == '\n';
      return ends ? HeadFault{"bare_cr_or_lf", "there is a CR or LF that is not a line's end"} : control;
    }
    if (!first && !line.empty()) {
      if (HeadFault fault = check_field(line); !fault.reason.empty()) return fault;
    }
    head.remove_prefix(end + 2);
  }
  return {};
}

struct Lengths {
  size_t content_lengths = 0;
  size_t transfer_encodings = 0;
  Slice content_length;
  Slice transfer_encoding;
};
Lengths lengths_of(const Headers& headers) noexcept {
  Lengths found;
  if (!headers.may_have({HeaderId::content_length, HeaderId::transfer_encoding})) return found;
  for (const Header& h : headers) {
    if (h.id == HeaderId::content_length) {
      ++found.content_lengths;
      found.content_length = h.value;
    } else if (h.id == HeaderId::transfer_encoding) {
      ++found.transfer_encodings;
      found.transfer_encoding = h.value;
    }
  }
  return found;
}

// The rules that both kinds of message share; `fail_as` makes the error of the right side.
template <class Fail>
Result<BodyLength> decide(const Lengths& l, Version version, Fail fail_as) {
  if (l.transfer_encodings > 0) {
    if (l.content_lengths > 0)
      return fail_as("length_and_encoding", "both Content-Length and Transfer-Encoding");
    if (version == Version::http10) return fail_as("encoding_in_http10", "Transfer-Encoding in HTTP/1.0");
    if (l.transfer_encodings > 1 || !text::iequals(l.transfer_encoding, "chunked")) {
      return fail_as("unknown_encoding", "a Transfer-Encoding other than one single \"chunked\"");
    }
    return BodyLength{BodyLength::Kind::chunked, 0};
  }
  if (l.content_lengths > 1) return fail_as("several_lengths", "more than one Content-Length");
  const auto bytes = text::parse_decimal(l.content_length);
  if (!bytes || *bytes > (uint64_t{1} << 62))
    return fail_as("bad_length", "a Content-Length that is not a number");
  return BodyLength{BodyLength::Kind::counted, *bytes};
}

}  // namespace

Result<void> Interims::add(size_t bytes) {
  constexpr size_t count_max = 32;
  bytes_ += bytes;
  if (++count_ <= count_max && bytes_ <= response_limits.header_bytes) return {};
  return fail(Code::upstream_bad_answer, "too_many_interim",
              "the upstream sent too many interim responses, or too large ones");
}

Result<size_t> find_head_end(Slice bytes, size_t& scanned, const HeadLimits& limits) {
  const size_t from = scanned > 3 ? scanned - 3 : 0;
  const size_t end = bytes.find("\r\n\r\n", from);
  const size_t length = end == Slice::npos ? bytes.size() : end + 4;
  const size_t line_max = limits.uri_bytes + 64;
  const bool crossed =
      scanned <= line_max && bytes.size() > line_max;  // looked at once, however the bytes come
  if (limits.uri_bytes > 0 && crossed && std::memchr(bytes.data(), '\n', line_max + 1) == nullptr)
    return fail(Code::uri_too_long, "uri_too_long", "the request target is too long");
  if (length > limits.header_bytes)
    return fail(Code::headers_too_large, "headers_too_large", "the header block is too large");
  scanned = bytes.size();
  if (end == Slice::npos) {
    // A head whose lines end with a bare LF never gets to its end; say so at once.
    const size_t bare = bytes.find("\n\n", from);
    if (bare != Slice::npos || bytes.find("\n\r\n", from) != Slice::npos) {
      return bad_request("bare_cr_or_lf", "a line does not end with CRLF");
    }
    return size_t{0};
  }
  return length;
}

Result<void> check_request_head(Slice head) {
  const HeadFault fault = check_head(head, true);
  if (!fault.reason.empty()) return bad_request(fault.reason, fault.detail);
  return {};
}

Result<void> check_response_head(Slice head) {
  const HeadFault fault = check_head(head, false);  // a reason may have both (RFC 9112 section 4)
  if (!fault.reason.empty()) return bad_response(fault.reason, fault.detail);
  return {};
}

Result<BodyLength> request_length(const Request& request, bool ended) {
  const Lengths l = lengths_of(request.headers);
  const bool http2 = request.version == Version::http2;
  if (http2 && l.transfer_encodings > 0)
    return bad_request("encoding_in_http2", "Transfer-Encoding in HTTP/2");
  if (l.content_lengths == 0 && l.transfer_encodings == 0)
    return BodyLength{http2 && !ended ? BodyLength::Kind::chunked : BodyLength::Kind::none, 0};
  Result<BodyLength> length = decide(l, request.version, bad_request);
  if (http2 && ended && length && length->bytes > 0)
    return bad_request("bad_length", "a Content-Length without content");
  return length;
}

Result<BodyLength> response_length(const Response& response, Method method, bool ended) {
  using Kind = BodyLength::Kind;
  const Lengths l = lengths_of(response.headers);
  const bool http2 = response.version == Version::http2;
  const bool content = may_have_content(method, response.status);
  if (http2 && l.transfer_encodings > 0)
    return bad_response("encoding_in_http2", "Transfer-Encoding in HTTP/2");
  if (l.content_lengths == 0 && l.transfer_encodings == 0)
    return BodyLength{!content || ended ? Kind::none : http2 ? Kind::chunked : Kind::until_close, 0};
  Result<BodyLength> length = decide(l, response.version, bad_response);
  if (length && !content) return BodyLength{};
  if (http2 && ended && length && length->bytes > 0)
    return bad_response("bad_length", "a Content-Length without content");
  return length;
}

}  // namespace sallyport::http
