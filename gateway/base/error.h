// Error: a failure as a value, with whose fault it is and whether trying again may help.
//
// Errors travel by value along the path of a request (Result<T>), never as exceptions. What status a client
// sees for a code is decided in one place, core/problem.cc. Immutable after construction; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport {

// Whose fault a failure is: it decides between 4xx, 502/503/504 and 500/503.
enum class Side : uint8_t { client, upstream, ourselves };

enum class Code : uint8_t {
  // the client's side
  malformed_request,         // 400 and a close: what is ambiguous is refused (RFC 9112)
  uri_too_long,              // 414
  headers_too_large,         // 431
  request_timeout,           // 408: the client is too slow
  no_route,                  // 404
  method_not_allowed,        // 405
  expectation_failed,        // 417
  no_credentials,            // 401
  bad_credentials,           // 401
  stronger_login_needed,     // 401, RFC 9470
  forbidden,                 // 403: a role is missing
  insufficient_scope,        // 403, RFC 6750
  over_limit,                // 429
  body_too_large,            // 413
  unsupported_content_type,  // 415
  invalid_body,              // 400: does not match the schema
  invalid_parameter,         // 400: path, query or header parameter
  client_gone,               // nobody is left to answer
  // the upstream's side
  upstream_unreachable,  // 503
  upstream_bad_answer,   // 502
  upstream_timeout,      // 504
  // our own
  dependency_down,  // 503 with Retry-After: Redis, a key set, …
  overloaded,       // 503: one of our own limits
  internal,         // 500: a bug of ours
  // transport; whoever reads knows the side and maps it on
  end_of_stream,  // the peer ended in the middle
  connection_reset,
  connection_refused,
  timed_out,
  name_not_resolved,
  tls_failed,
  io,  // any other system error
  // data
  invalid_data,  // a file, a reply or a token that does not parse
};

struct Error {
  Code code = Code::internal;
  // A slug for the log and the metrics, e.g. "bad_signature". Must have static storage: the number of metric
  // series depends on it, so it is never built from input.
  std::string_view reason = "internal";
  // One sentence for whoever has to mend it. Never holds a secret or unescaped input.
  std::string detail;
};

template <class T>
using Result = std::expected<T, Error>;

// An error as the failed side of a Result: return fail(Code::io, "write_failed", "…").
inline std::unexpected<Error> fail(Code code, std::string_view reason, std::string detail = {}) {
  return std::unexpected(Error{code, reason, std::move(detail)});
}

Side side_of(Code code) noexcept;

}  // namespace sallyport
