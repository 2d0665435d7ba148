// HTTP/2 heads and trailers: header fields to messages and back (RFC 9113 section 8). Pure; any thread.
//
// nghttp2 has refused what section 8 calls malformed (connection headers, upper case, controls in a value, a
// pseudo header in the wrong place, content-length against DATA). What two servers could understand in two
// ways is refused here, by the same functions as for HTTP/1.1.
#pragma once

#include <cstddef>

#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/http/framing.h"
#include "gateway/http/message.h"

namespace sallyport::http::h2 {

struct FieldList;

// The head of one request as it comes, field by field. Names and values are copied to the arena.
class RequestHead {
 public:
  explicit RequestHead(const HeadLimits& limits) noexcept : limits_(limits) {}
  // Before anything else.
  void read_into(Arena& arena, Request& request) noexcept {
    arena_ = &arena;
    request_ = &request;
  }

  // One that is too many or too long is left out, and finish() says so.
  void field(Slice name, Slice value);
  // All fields are there. Errors: malformed_request, headers_too_large, uri_too_long, expectation_failed:
  // they are to be answered. `ended`: no content follows. An extended CONNECT (RFC 8441) becomes what the
  // same wish is in HTTP/1.1: a GET with `upgrade`.
  Result<void> finish(bool ended);

 private:
  Result<void> read_host();
  Result<void> read_connect();
  void join_cookies();

  Arena* arena_ = nullptr;
  Request* request_ = nullptr;
  const HeadLimits& limits_;
  Slice scheme_, path_, authority_, protocol_;
  bool has_authority_ = false;
  size_t bytes_ = 0;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 section 6.5.2)
  size_t fields_ = 0;
};

// The same of a response, for the request's side; interim ones, too.
class ResponseHead {
 public:
  void field(Slice name, Slice value, Arena& arena);
  // All fields are there. Gives the response and is ready for the next. Errors: upstream_bad_answer.
  Result<Response> finish(Method method, bool ended);

 private:
  Response response_;
  Slice status_;
  size_t bytes_ = 0;
};

// The fields of a response's head: ":status" (200 for 101: RFC 8441 section 5), then response.headers without
// what HTTP/2 does not have, then content-length if response.length has one. Everything in `out` lives as
// long as the arena and the response. False, and they are not to be sent, if a name or a value is not
// well-formed, whoever made it.
bool write_response_fields(const Response& response, Arena& arena, FieldList& out);

// The fields of a request's head to a backend, as h1_message.h's write_request_head has them. False likewise.
bool write_request_fields(const Request& request, Slice scheme, Slice host, Arena& arena, FieldList& out);

// Those that are well-formed; false if there is none.
bool write_trailer_fields(const Headers& trailers, FieldList& out);

}  // namespace sallyport::http::h2
