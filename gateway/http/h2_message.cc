#include "gateway/http/h2_message.h"

#include <array>
#include <vector>

#include "gateway/base/text.h"
#include "gateway/http/h2_fields.h"
#include "gateway/http/head_rules.h"

namespace sallyport::http::h2 {
namespace {

std::unexpected<Error> malformed(std::string_view reason, std::string detail) {
  return fail(Code::malformed_request, reason, std::move(detail));
}

}  // namespace

void RequestHead::field(Slice name, Slice value) {
  bytes_ += name.size() + value.size() + field_overhead;
  if (bytes_ > limits_.header_bytes || ++fields_ > limits_.headers + 4)
    return;  // and four pseudo header fields
  if (!name.starts_with(':')) {
    const HeaderId id = header_id(name);
    if (id == HeaderId::other) {
      request_->headers.add(arena_->copy(name), arena_->copy(value));
    } else {
      request_->headers.add(id, arena_->copy(value));
    }
    return;
  }
  const Slice kept = arena_->copy(value);
  if (name == ":method") {
    request_->method_text = kept;
    request_->method = method_from(kept);
  } else if (name == ":scheme") {
    scheme_ = kept;
  } else if (name == ":path") {
    path_ = kept;
  } else if (name == ":authority") {
    authority_ = kept;
    has_authority_ = true;
  }
}

Result<void> RequestHead::finish(bool ended) {
  request_->version = Version::http2;
  if (path_.size() > limits_.uri_bytes)
    return fail(Code::uri_too_long, "uri_too_long", "the request target is too long");
  if (bytes_ > limits_.header_bytes)
    return fail(Code::headers_too_large, "headers_too_large", "the header block is too large");
  if (fields_ > limits_.headers + 4)
    return fail(Code::headers_too_large, "too_many_headers", "there are too many headers");
  if (!is_token(request_->method_text)) return malformed("bad_method", "the method is not a token");
  for (const Header& h : request_->headers) {
    if (!is_token(h.name)) return malformed("bad_name", "a header's name has a character that no name has");
    if (!is_field_value(h.value)) return malformed("control_character", "there is a control character");
  }
  request_->target = path_;
  Result<Slice> authority = read_target(*request_, *arena_);
  if (!authority) return std::unexpected(std::move(authority.error()));
  if (scheme_ != "https" && scheme_ != "http")
    return malformed("bad_scheme", "the scheme is neither https nor http");
  if (!authority->empty())
    return malformed("bad_target", "the path of an HTTP/2 request begins with a slash");
  if (Result<void> done = read_host(); !done) return done;
  Result<BodyLength> length = request_length(*request_, ended);
  if (!length) return std::unexpected(std::move(length.error()));
  request_->length = *length;
  join_cookies();
  return read_expect(*request_);
}

// RFC 9113 section 8.3.1: :authority, or Host; never two that differ.
Result<void> RequestHead::read_host() {
  const size_t hosts = request_->headers.count(HeaderId::host);
  const Slice host = request_->headers.get(HeaderId::host);
  if (hosts > 1 || (hosts == 0 && !has_authority_))
    return malformed("bad_host", "there must be exactly one :authority or Host");
  if (hosts == 1 && has_authority_ && !text::iequals(host, authority_))
    return malformed("host_mismatch", "the Host header and :authority name two hosts");
  Result<void> read = read_authority(*request_, has_authority_ ? authority_ : host, *arena_);
  if (read) request_->headers.set(HeaderId::host, request_->authority);
  return read;
}

// RFC 9113 section 8.2.3: what was split into several fields is one again.
void RequestHead::join_cookies() {
  if (request_->headers.count(HeaderId::cookie) < 2) return;
  std::vector<Slice> crumbs;
  for (const Header& h : request_->headers) {
    if (h.id != HeaderId::cookie) continue;
    if (!crumbs.empty()) crumbs.emplace_back("; ");
    crumbs.push_back(h.value);
  }
  request_->headers.set(HeaderId::cookie, arena_->concat(crumbs));
}

void write_response_fields(const Response& response, Arena& arena, FieldList& out) {
  out.fields.clear();
  const auto status = static_cast<unsigned>(response.status);
  const std::array<char, 3> digits = {static_cast<char>('0' + status / 100),
                                      static_cast<char>('0' + status / 10 % 10),
                                      static_cast<char>('0' + status % 10)};
  out.add(":status", arena.copy({digits.data(), digits.size()}));
  for (const Header& h : response.headers) {
    if (!is_of_one_hop(h.id)) out.add(h.name, text::trim(h.value));
  }
  const bool content =
      may_have_content(Method::get, response.status);  // HEAD tells of what a GET would bring
  if (!content || response.length.kind != BodyLength::Kind::counted) return;
  text::Digits length;
  out.add("content-length", arena.copy(text::decimal(response.length.bytes, length)));
}

}  // namespace sallyport::http::h2
