#include "gateway/http/h1_message.h"

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "gateway/base/checked_copy.h"
#include "gateway/base/text.h"
#include "gateway/http/connection_options.h"
#include "gateway/http/head_rules.h"

namespace sallyport::http::h1 {
namespace {

// What llhttp finds in one head: slices of the head itself.
struct Found {
  Slice method, url, version;
  Headers* headers = nullptr;
  size_t headers_max = 0;
  Slice name, value;
  bool too_many = false;
  bool complete = false;
};

Found& found_by(llhttp_t* parser) { return *static_cast<Found*>(parser->data); }
void extend(Slice& slice, const char* at, size_t length) noexcept {
  slice = slice.empty() ? Slice(at, length)
                        : Slice(slice.data(), static_cast<size_t>(at + length - slice.data()));
}

const llhttp_settings_t& settings() {
  static const llhttp_settings_t s = [] {
    llhttp_settings_t out;
    llhttp_settings_init(&out);
    out.on_url = [](llhttp_t* p, const char* at, size_t n) { return extend(found_by(p).url, at, n), 0; };
    out.on_header_field = [](llhttp_t* p, const char* at, size_t n) {
      return extend(found_by(p).name, at, n), 0;
    };
    out.on_header_value = [](llhttp_t* p, const char* at, size_t n) {
      return extend(found_by(p).value, at, n), 0;
    };
    out.on_header_value_complete = [](llhttp_t* p) {
      Found& f = found_by(p);
      f.too_many = f.headers->size() >= f.headers_max;
      if (f.too_many) return -1;
      f.headers->add_checked(f.name, text::trim(f.value));
      f.name = f.value = {};
      return 0;
    };
    out.on_headers_complete = [](llhttp_t* p) {
      found_by(p).complete = true;
      return static_cast<int>(HPE_PAUSED);
    };
    return out;
  }();
  return s;
}

// llhttp knows the methods that are registered; any other token is for the router to refuse (405), so it is
// kept away from llhttp.
Result<Slice> split_method(Slice line) {
  const size_t space = line.find(' ');
  const Slice method = line.substr(0, space == Slice::npos ? 0 : space);  // what nothing follows is none
  if (Result<void> good = check_method(method); !good) return std::unexpected(std::move(good.error()));
  return method;
}

// "METHOD SP target SP HTTP/1.x" with single spaces (RFC 9112 section 3).
Result<void> read_request_line(Slice line, const HeadLimits& limits, Request& out) {
  Result<Slice> method = split_method(line);
  if (!method) return std::unexpected(std::move(method.error()));
  line.remove_prefix(method->size() + 1);
  const size_t space = line.find(' ');
  if (space == Slice::npos || space == 0)
    return fail(Code::malformed_request, "bad_request_line", "the request line is not whole");
  out.target = line.substr(0, space);
  const Slice version = line.substr(space + 1);
  if (out.target.size() > limits.uri_bytes)
    return fail(Code::uri_too_long, "uri_too_long", "the request target is too long");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return fail(Code::malformed_request, "bad_version", "the version is neither HTTP/1.1 nor HTTP/1.0");
  }
  out.version = version == "HTTP/1.1" ? Version::http11 : Version::http10;
  out.method_text = *method;
  out.method = method_from(*method);
  return {};
}

// "HTTP/1.x SP 3DIGIT SP reason" (RFC 9112 section 4); many servers leave out a reason that is empty, and the
// space in front of it. llhttp would take more digits.
Result<void> read_status_line(Slice line, Response& out) {
  constexpr size_t version_bytes = 8, status_end = 12;
  const Slice version = line.substr(0, version_bytes);
  if ((version != "HTTP/1.1" && version != "HTTP/1.0") || line.size() < status_end ||
      line[version_bytes] != ' ')
    return fail(Code::upstream_bad_answer, "bad_status_line", "the response has no status line of HTTP/1");
  const auto status = text::parse_decimal(line.substr(version_bytes + 1, status_end - version_bytes - 1));
  if (!status || (line.size() > status_end && line[status_end] != ' '))
    return fail(Code::upstream_bad_answer, "bad_status_line", "the response's status is not three digits");
  if (*status < 100 || *status > 599)  // RFC 9110 section 15
    return fail(Code::upstream_bad_answer, "bad_status",
                "the response has a status that was not to be expected");
  out.version = version == "HTTP/1.1" ? Version::http11 : Version::http10;
  out.status = static_cast<int>(*status);
  return {};
}

// A parser that stands behind a first line: the lines themselves are read here, and what llhttp makes of them
// is always the same.
llhttp_t behind_line(llhttp_type_t type, Slice line) {
  llhttp_t parser;
  Found nothing;
  llhttp_init(&parser, type, &settings());
  parser.data = &nothing;
  llhttp_execute(&parser, line.data(), line.size());
  return parser;
}
const llhttp_t& behind_request_line(Version version) {
  static const llhttp_t old = behind_line(HTTP_REQUEST, "GET / HTTP/1.0\r\n"),
                        present = behind_line(HTTP_REQUEST, "GET / HTTP/1.1\r\n");
  return version == Version::http10 ? old : present;
}
const llhttp_t& behind_status_line() {
  static const llhttp_t parser = behind_line(HTTP_RESPONSE, "HTTP/1.1 200 OK\r\n");
  return parser;
}

enum class Fields : uint8_t { good, too_many, bad };
Fields parse_fields(Slice fields, llhttp_t parser, Found& found) {
  parser.data = &found;
  const llhttp_errno_t status = llhttp_execute(&parser, fields.data(), fields.size());
  if (found.too_many) return Fields::too_many;
  return status == HPE_PAUSED && found.complete ? Fields::good : Fields::bad;
}

Result<void> read_host(Request& out, Slice of_target, Arena& arena) {
  if (out.headers.count(HeaderId::host) != 1)
    return fail(Code::malformed_request, "bad_host", "there must be exactly one Host header");
  Result<void> read = read_authority(out, out.headers.get(HeaderId::host), arena);
  if (read && !of_target.empty() && !text::iequals(of_target, out.authority))
    return fail(Code::malformed_request, "host_mismatch",
                "the Host header and the request target name two hosts");
  return read;
}

// A GET without content that asks for one protocol; a list, or one that is not "Connection: upgrade", is
// nothing that anybody has to act on.
Slice wanted_upgrade(const Request& request, const ConnectionOptions& options) noexcept {
  const Slice protocol = request.headers.get(HeaderId::upgrade);
  if (protocol.empty() || request.version != Version::http11 || request.method != Method::get) return {};
  if (request.length.kind != BodyLength::Kind::none || request.headers.count(HeaderId::upgrade) > 1)
    return {};
  return options.upgrade && is_token(protocol) ? protocol : Slice{};
}

bool wants_keep_alive(const ConnectionOptions& options, Version version) noexcept {
  return !options.close && (options.keep_alive || version == Version::http11);
}

// Neither a 204 nor an interim response tells of content (RFC 9112 section 6.1, RFC 9110 section 8.6):
// whoever does may send it, too.
bool tells_of_content(const Response& response) noexcept {
  if (response.status >= 200 && response.status != 204) return false;
  const Slice length = response.headers.get(HeaderId::content_length);
  return response.headers.find(HeaderId::transfer_encoding) != nullptr || (!length.empty() && length != "0");
}

bool is_framing(HeaderId id) noexcept {
  return id == HeaderId::content_length || id == HeaderId::transfer_encoding || id == HeaderId::connection;
}

// Writes a head piece by piece into room that is asked for once; nothing of it is there before finish().
class HeadWriter {
 public:
  // line: the bytes of the first line and of what else put() gets.
  HeadWriter(Buffer& out, const Headers& headers, size_t line)
      : out_(out), begin_(out.writable(room_for(headers, line)).data()), copy_(begin_) {}
  HeadWriter(const HeadWriter&) = delete;

  template <class... Pieces>
  void put(const Pieces&... pieces) noexcept {
    (put_one(pieces), ...);
  }
  void framing(const BodyLength& length) noexcept {
    if (length.kind == BodyLength::Kind::chunked) put("Transfer-Encoding: chunked\r\n");
    if (length.kind != BodyLength::Kind::counted) return;
    text::Digits digits;
    put("Content-Length: ", text::decimal(length.bytes, digits), "\r\n");
  }
  // All pieces so far were of the first lines: not even a tab is in them.
  void end_first_lines() noexcept { good_ = copy_.is_clean(); }
  void field(const Header& h) noexcept {
    put(h.name, ": ", h.value, "\r\n");
    if (!h.checked && !is_good(h)) good_ = false;
  }
  Result<void> finish() noexcept {
    put("\r\n");
    if (!good_) return unsafe_header();
    out_.commit(static_cast<size_t>(copy_.end() - begin_));
    return {};
  }

 private:
  static constexpr size_t framing_bytes_max = 128;  // framing(), Connection, the last line

  static size_t room_for(const Headers& headers, size_t line) noexcept {
    size_t total = line + framing_bytes_max;
    for (const Header& h : headers) total += h.name.size() + h.value.size() + 4;
    return total;
  }
  // is_well_formed(), where the copy has not seen it already.
  bool is_good(const Header& h) const noexcept {
    return (h.id != HeaderId::other || is_token(h.name)) && (copy_.is_clean() || is_field_value(h.value));
  }
  template <size_t n>
  void put_one(const char (&literal)[n]) noexcept {
    copy_.put_literal(literal);
  }
  void put_one(Slice piece) noexcept { copy_.put(piece); }

  Buffer& out_;
  char* begin_;
  CheckedCopy copy_;
  bool good_ = true;
};

}  // namespace

Result<void> read_request_head(Slice head, const HeadLimits& limits, Arena& arena, Request& out) {
  Result<void> done = check_request_head(head);
  const Slice line = head.substr(0, head.find("\r\n"));
  if (done) done = read_request_line(line, limits, out);
  if (!done) return done;
  Found found;
  found.headers = &out.headers;
  found.headers_max = limits.headers;
  const Fields fields = parse_fields(head.substr(line.size() + 2), behind_request_line(out.version), found);
  if (fields == Fields::too_many)
    return fail(Code::headers_too_large, "too_many_headers", "there are too many headers");
  if (fields == Fields::bad)
    return fail(Code::malformed_request, "bad_header", "the header block is not well-formed");
  Result<Slice> authority = read_target(out, arena);
  if (!authority) return std::unexpected(std::move(authority.error()));
  done = read_host(out, *authority, arena);
  if (!done) return done;
  const ConnectionOptions options = connection_options(out.headers);
  if (options.too_many)
    return fail(Code::malformed_request, "connection_options", "Connection has too many options");
  // An option takes the field of its name away (RFC 9110 section 7.6.1), also one that was checked: a client
  // names those that are for one hop anyway, and no other.
  if (!options.fields.empty())
    return fail(Code::malformed_request, "bad_connection",
                "Connection names a header that is not for this connection only");
  Result<BodyLength> length = request_length(out);
  if (!length) return std::unexpected(std::move(length.error()));
  out.length = *length;
  out.keep_alive = wants_keep_alive(options, out.version);
  out.upgrade = wanted_upgrade(out, options);
  read_te(out);
  return read_expect(out);
}

Result<void> read_response_head(Slice head, Method method, const HeadLimits& limits, Response& out) {
  Result<void> done = check_response_head(head);
  const Slice line = head.substr(0, head.find("\r\n"));
  if (done) done = read_status_line(line, out);
  if (!done) return done;
  Found found;
  found.headers = &out.headers;
  found.headers_max = limits.headers;
  const Fields fields = parse_fields(head.substr(line.size() + 2), behind_status_line(), found);
  if (fields == Fields::too_many)
    return fail(Code::upstream_bad_answer, "too_many_headers", "the response has too many headers");
  if (fields == Fields::bad)
    return fail(Code::upstream_bad_answer, "bad_header", "the response's header block is not well-formed");
  Result<BodyLength> length = response_length(out, method);
  if (!length) return std::unexpected(std::move(length.error()));
  out.length = *length;
  const bool odd = tells_of_content(out);
  // What follows an interim one is taken for the next response (but for 101: then it is no HTTP), so it must
  // be sure.
  if (odd && out.status < 200 && out.status != 101)
    return fail(Code::upstream_bad_answer, "interim_content", "an interim response tells of content");
  const ConnectionOptions options = connection_options(out.headers);
  if (options.too_many)
    return fail(Code::upstream_bad_answer, "connection_options", "Connection has too many options");
  out.keep_alive = wants_keep_alive(options, out.version) && !odd;
  return {};
}

bool is_last_on_connection(const Request& request) noexcept {
  if (request.length.is_nothing()) return false;
  const Method m = request.method;
  return m != Method::post && m != Method::put && m != Method::patch;
}

Result<void> write_request_head(const Request& request, Slice host, Buffer& out) {
  constexpr Slice rest = " ? HTTP/1.1\r\nHost: \r\n";
  const Slice path = request.sent_path.empty() ? request.path : request.sent_path;
  HeadWriter head(out, request.headers,
                  request.method_text.size() + path.size() + request.query.size() + host.size() +
                      request.upgrade.size() + rest.size());
  head.put(request.method_text, " ", path);
  if (!request.query.empty()) head.put("?", request.query);
  head.put(" HTTP/1.1\r\nHost: ", host, "\r\n");
  head.end_first_lines();
  for (const Header& h : request.headers) {
    if (!is_framing(h.id) && h.id != HeaderId::host) head.field(h);
  }
  head.framing(request.length);
  if (is_last_on_connection(request)) head.put("Connection: close\r\n");
  if (!request.upgrade.empty()) head.put("Connection: upgrade\r\nUpgrade: ", request.upgrade, "\r\n");
  return head.finish();
}

Result<void> write_response_head(const Response& response, Method method, Version client, bool keep_alive,
                                 Buffer& out) {
  constexpr size_t line_bytes_max = 64;  // the longest reason phrase included
  HeadWriter head(out, response.headers, line_bytes_max);
  text::Digits digits;
  head.put("HTTP/1.1 ", text::decimal(static_cast<uint64_t>(response.status), digits), " ",
           reason_phrase(response.status), "\r\n");
  for (const Header& h : response.headers) {
    if (!is_framing(h.id)) head.field(h);
  }
  if (may_have_content(Method::get, response.status)) {  // HEAD tells of what a GET would bring
    const bool none = response.length.kind == BodyLength::Kind::none && method != Method::head;
    head.framing(none ? BodyLength{BodyLength::Kind::counted, 0} : response.length);
  }
  if (response.status == 101) {
    head.put("Connection: upgrade\r\n");
  } else if (!keep_alive) {
    head.put("Connection: close\r\n");
  } else if (client == Version::http10) {
    head.put("Connection: keep-alive\r\n");
  }
  return head.finish();
}

void write_last_chunk(const Headers& trailers, Buffer& out) {
  HeadWriter end(out, trailers, 0);
  end.put("0\r\n");
  for (const Header& h : trailers) {
    if (h.checked || is_well_formed(h)) end.field(h);
  }
  static_cast<void>(end.finish());
}

}  // namespace sallyport::http::h1
