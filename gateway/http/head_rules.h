// What a request's head is held to in every version of HTTP, once its fields are there. Pure; any thread.
//
// Errors: malformed_request, expectation_failed; with a reason slug and a detail that names the rule.
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/http/message.h"

namespace sallyport::http {

// A method that is registered, or any other token that is not too long: what becomes of it is the route's.
Result<void> check_method(Slice method);

// out.target to out.path and out.query. Gives the authority that an absolute-form target names, else nothing.
// Refused: CONNECT (this is no tunnel), "*" with anything but OPTIONS, what uri.h refuses.
Result<Slice> read_target(Request& out, Arena& arena);

// out.authority and out.host from the one authority that the request names.
Result<void> read_authority(Request& out, Slice authority, Arena& arena);

// Expect: 100-continue and nothing else (RFC 9110 section 10.1.1); ignored from HTTP/1.0.
Result<void> read_expect(Request& out);

// out.takes_trailers, before what is meant for this hop is removed.
void read_te(Request& out) noexcept;

// False for what the gateway itself reads in a header: framing, routing, credentials, what it says of a
// caller. None of it is a trailer (RFC 9110 section 6.5.1).
bool may_be_trailer(Slice name) noexcept;

}  // namespace sallyport::http
