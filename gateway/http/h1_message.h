// HTTP/1.1 heads: bytes to Request and Response (llhttp, after framing.h's checks) and back. Pure; any
// thread.
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/http/framing.h"
#include "gateway/http/message.h"

namespace sallyport::http::h1 {

// Reads a whole head (framing.h found its end), which must stay where it is: the slices of `out` point into
// it or into the arena. Everything is checked: line, headers, Host (exactly one, RFC 9112 section 3.2),
// target, length, Expect. out.body is left alone. Errors: malformed_request, uri_too_long, headers_too_large,
// expectation_failed.
Result<void> read_request_head(Slice head, const HeadLimits& limits, Arena& arena, Request& out);

// The same for a response to a request with `method`; 1xx too. Errors: upstream_bad_answer.
Result<void> read_response_head(Slice head, Method method, const HeadLimits& limits, Response& out);

// True if the request has content that its method gives no meaning (RFC 9110 section 9.3), or that is not
// known to: a backend that does not read it takes it for the next request, so that none of ours may follow on
// that connection. Of POST, PUT and PATCH everybody reads it.
bool is_last_on_connection(const Request& request) noexcept;

// Appends the head of a request to a backend: "METHOD path?query HTTP/1.1", Host first, then the headers as
// they are, then the framing header that request.length asks for (Content-Length or Transfer-Encoding; those
// in headers are skipped), and "Connection: close" if nothing may follow it. Error: internal, and nothing is
// appended, if a name or a value is not well-formed, whoever made it: it would be another head.
Result<void> write_request_head(const Request& request, Slice host, Buffer& out);

// Appends the head of a response: status line with the standard reason, headers, framing by response.length,
// and "Connection: close" if keep_alive is false ("keep-alive" for an HTTP/1.0 client). Framing and
// Connection headers in response.headers are skipped. `length` none writes Content-Length: 0 unless the
// status has no content or it answers HEAD. Error: as above.
Result<void> write_response_head(const Response& response, Method method, Version client, bool keep_alive,
                                 Buffer& out);

// Appends the last chunk with the trailers behind it (RFC 9112 section 7.1.2), those that are well-formed.
void write_last_chunk(const Headers& trailers, Buffer& out);

}  // namespace sallyport::http::h1
