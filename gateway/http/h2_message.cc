#include "gateway/http/h2_message.h"

#include <array>
#include <utility>
#include <vector>

#include "gateway/base/text.h"
#include "gateway/http/h2_fields.h"
#include "gateway/http/head_rules.h"

namespace sallyport::http::h2 {
namespace {

std::unexpected<Error> malformed(std::string_view reason, std::string detail) {
  return fail(Code::malformed_request, reason, std::move(detail));
}

// A field as it comes, copied to the arena; the name's spelling is ours where we know it.
void add_copy(Headers& headers, Slice name, Slice value, Arena& arena) {
  const HeaderId id = header_id(name);
  if (id == HeaderId::other) {
    headers.add(arena.copy(name), arena.copy(value));
  } else {
    headers.add(id, arena.copy(value));
  }
}

}  // namespace

void RequestHead::field(Slice name, Slice value) {
  bytes_ += name.size() + value.size() + field_overhead;
  const bool pseudo = name.starts_with(':');
  if (bytes_ > limits_.header_bytes || (!pseudo && ++fields_ > limits_.headers)) return;
  if (!pseudo) {
    add_copy(request_->headers, name, value, *arena_);
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
  } else if (name == ":protocol") {
    protocol_ = kept;
  }
}

Result<void> RequestHead::finish(bool ended) {
  request_->version = Version::http2;
  if (path_.size() > limits_.uri_bytes)
    return fail(Code::uri_too_long, "uri_too_long", "the request target is too long");
  if (bytes_ > limits_.header_bytes)
    return fail(Code::headers_too_large, "headers_too_large", "the header block is too large");
  if (fields_ > limits_.headers)
    return fail(Code::headers_too_large, "too_many_headers", "there are too many headers");
  if (Result<void> good = check_method(request_->method_text); !good) return good;
  for (const Header& h : request_->headers) {
    if (!is_token(h.name)) return malformed("bad_name", "a header's name has a character that no name has");
    if (!is_field_value(h.value)) return malformed("control_character", "there is a control character");
  }
  request_->headers.set_checked();
  if (!protocol_.empty()) {
    if (Result<void> done = read_connect(); !done) return done;
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
  read_te(*request_);
  Result<void> read = read_expect(*request_);
  if (!request_->upgrade.empty()) {  // what follows is no content
    request_->length = {};
    request_->expects_continue = false;
  }
  return read;
}

// RFC 8441 section 4; nghttp2 has seen to it that :protocol comes with CONNECT, :scheme and :path.
Result<void> RequestHead::read_connect() {
  if (!text::iequals(protocol_, "websocket"))
    return malformed("unknown_protocol", "the only :protocol that is understood is websocket");
  request_->method = Method::get;
  request_->method_text = to_string(Method::get);
  request_->upgrade = protocol_;
  return {};
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

// --- a backend's answer

void ResponseHead::field(Slice name, Slice value, Arena& arena) {
  bytes_ += name.size() + value.size() + field_overhead;
  if (bytes_ > response_limits.header_bytes || response_.headers.size() > response_limits.headers) return;
  if (name == ":status") {
    status_ = arena.copy(value);
  } else if (!name.starts_with(':')) {
    add_copy(response_.headers, name, value, arena);
  }
}

Result<Response> ResponseHead::finish(Method method, bool ended) {
  ResponseHead all = std::exchange(*this, ResponseHead{});
  const auto bad = [](std::string_view reason, std::string detail) {
    return fail(Code::upstream_bad_answer, reason, std::move(detail));
  };
  Response out = std::move(all.response_);
  if (all.bytes_ > response_limits.header_bytes || out.headers.size() > response_limits.headers)
    return bad("upstream_head_too_large", "the response's header block is too large");
  const auto status = text::parse_decimal(all.status_);
  if (all.status_.size() != 3 || !status || *status < 100 || *status > 599 || *status == 101)
    return bad("bad_status", "the response has a status that was not to be expected");
  for (const Header& h : out.headers) {
    if (!is_token(h.name) || !is_field_value(h.value))
      return bad("bad_response_head", "the response's head is not well-formed");
  }
  out.headers.set_checked();
  out.status = static_cast<int>(*status);
  out.version = Version::http2;
  if (ended && out.status < 200) return bad("bad_response_head", "an interim response ends the stream");
  Result<BodyLength> length = response_length(out, method, ended);
  if (!length) return std::unexpected(std::move(length.error()));
  out.length = *length;
  return out;
}

// --- to nghttp2

bool write_response_fields(const Response& response, Arena& arena, FieldList& out) {
  out.clear();
  const auto status = static_cast<unsigned>(response.status == 101 ? 200 : response.status);
  const std::array<char, 3> digits = {static_cast<char>('0' + status / 100),
                                      static_cast<char>('0' + status / 10 % 10),
                                      static_cast<char>('0' + status % 10)};
  out.add_static(":status", arena.copy({digits.data(), digits.size()}));
  for (const Header& h : response.headers) {
    if (!is_of_one_hop(h.id)) out.add(h);
  }
  const bool content =
      may_have_content(Method::get, response.status);  // HEAD tells of what a GET would bring
  if (!content || response.length.kind != BodyLength::Kind::counted) return out.good;
  text::Digits length;
  out.add_static("content-length", arena.copy(text::decimal(response.length.bytes, length)));
  return out.good;
}

bool write_request_fields(const Request& request, Slice scheme, Slice host, Arena& arena, FieldList& out) {
  out.clear();
  const Slice path = request.sent_path.empty() ? request.path : request.sent_path;
  out.good = is_field_value(path) && is_field_value(host);
  out.add_static(":method", request.method_text);
  out.add_static(":scheme", scheme);
  out.add_static(":authority", host);
  out.add_static(":path", request.query.empty() ? path : arena.concat({path, "?", request.query}));
  for (const Header& h : request.headers) {
    if (!is_of_one_hop(h.id) && h.id != HeaderId::host) out.add(h);
  }
  if (request.takes_trailers) out.add_static("te", "trailers");
  if (request.length.kind != BodyLength::Kind::counted) return out.good;
  text::Digits length;
  out.add_static("content-length", arena.copy(text::decimal(request.length.bytes, length)));
  return out.good;
}

bool write_trailer_fields(const Headers& trailers, FieldList& out) {
  out.clear();
  for (const Header& h : trailers) {
    if (h.checked || is_well_formed(h)) out.add(h);
  }
  return !out.fields.empty();
}

}  // namespace sallyport::http::h2
