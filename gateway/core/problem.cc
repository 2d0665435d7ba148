#include "gateway/core/problem.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "gateway/base/text.h"
#include "gateway/core/exchange.h"
#include "gateway/core/plugin.h"
#include "gateway/http/grpc.h"
#include "gateway/http/h1_message.h"
#include "gateway/json/write.h"

namespace sallyport {
namespace {

// The codes of gRPC that a gateway has use for.
enum class Grpc : uint8_t {
  cancelled = 1,
  invalid_argument = 3,
  deadline_exceeded = 4,
  permission_denied = 7,
  resource_exhausted = 8,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  unauthenticated = 16,
};

struct Answer {
  int status;
  Grpc grpc;
  Slice slug;    // the problem's type: urn:sallyport:problem:SLUG
  Slice detail;  // said when the error's own detail is not for the client
};

Answer answer_for(Code code) noexcept {
  switch (code) {
    case Code::malformed_request:
      return {400, Grpc::internal, "malformed_request", "the request is not well-formed HTTP"};
    case Code::uri_too_long:
      return {414, Grpc::internal, "uri_too_long", "the request target is too long"};
    case Code::headers_too_large:
      return {431, Grpc::resource_exhausted, "headers_too_large", "the header block is too large"};
    case Code::request_timeout:
      return {408, Grpc::cancelled, "request_timeout", "the request did not arrive in time"};
    case Code::no_route:
      return {404, Grpc::unimplemented, "not_found", "nothing is served here"};
    case Code::method_not_allowed:
      return {405, Grpc::unimplemented, "method_not_allowed", "see the Allow header"};
    case Code::expectation_failed:
      return {417, Grpc::internal, "expectation_failed", "only Expect: 100-continue is understood"};
    case Code::no_credentials:
      return {401, Grpc::unauthenticated, "credentials_needed", "see the WWW-Authenticate header"};
    case Code::bad_credentials:
      return {401, Grpc::unauthenticated, "bad_credentials", "the credentials are not good here"};
    case Code::stronger_login_needed:
      return {401, Grpc::unauthenticated, "stronger_login_needed", "log in again, more strongly"};
    case Code::forbidden:
      return {403, Grpc::permission_denied, "forbidden", "the caller lacks a role that this asks for"};
    case Code::insufficient_scope:
      return {403, Grpc::permission_denied, "insufficient_scope",
              "the token lacks a scope that this asks for"};
    case Code::over_limit:
      return {429, Grpc::resource_exhausted, "over_limit", "slow down; see the Retry-After header"};
    case Code::body_too_large:
      return {413, Grpc::resource_exhausted, "content_too_large",
              "the content is larger than this route takes"};
    case Code::unsupported_content_type:
      return {415, Grpc::invalid_argument, "unsupported_content_type", "send another Content-Type"};
    case Code::invalid_body:
      return {400, Grpc::invalid_argument, "invalid_content",
              "the content does not match what this route takes"};
    case Code::invalid_parameter:
      return {400, Grpc::invalid_argument, "invalid_parameter",
              "a parameter does not match what this route takes"};
    case Code::client_gone:
    case Code::connection_reset:
      return {0, Grpc::cancelled, "client_gone", ""};
    case Code::upstream_unreachable:
      return {503, Grpc::unavailable, "upstream_unreachable",
              "the service behind the gateway cannot be reached"};
    case Code::upstream_bad_answer:
      return {502, Grpc::unavailable, "upstream_bad_answer",
              "the service behind the gateway gave no valid answer"};
    case Code::upstream_timeout:
      return {504, Grpc::deadline_exceeded, "upstream_timeout",
              "the service behind the gateway did not answer in time"};
    case Code::dependency_down:
      return {503, Grpc::unavailable, "dependency_down",
              "something that the gateway needs is not there; try again soon"};
    case Code::overloaded:
      return {503, Grpc::unavailable, "overloaded", "the gateway has too much to do; try again soon"};
    default:
      return {500, Grpc::internal, "internal",
              "the gateway failed; the request id helps its operator to find out why"};
  }
}

// After these the connection's bytes cannot be trusted, or the client will not go on.
bool closes(Code code) noexcept {
  return code == Code::malformed_request || code == Code::uri_too_long || code == Code::headers_too_large ||
         code == Code::request_timeout || code == Code::expectation_failed;
}

std::string document(const Answer& answer, Slice detail, Slice request_id, const Refusal* refusal) {
  std::string out;
  out.reserve(512);
  fmt::format_to(std::back_inserter(out),
                 R"({{"type":"urn:sallyport:problem:{}","title":"{}","status":{},"detail":)", answer.slug,
                 http::reason_phrase(answer.status), answer.status);
  json::append_string(out, detail);
  out += R"(,"instance":")";
  out += request_id;
  out += '"';
  if (refusal != nullptr && !refusal->violations.empty()) {
    out += R"(,"errors":[)";
    for (const Violation& v : refusal->violations) {
      if (out.back() != '[') out += ',';
      out += R"({"pointer":)";
      json::append_string(out, v.pointer);
      out += R"(,"keyword":)";
      json::append_string(out, v.keyword);
      out += R"(,"detail":)";
      json::append_string(out, v.detail);
      out += '}';
    }
    out += ']';
  }
  out += "}\n";
  return out;
}

// What a gRPC client understands: an answer that is nothing but its trailers ("Trailers-Only").
void refuse_call(Exchange& x, Grpc code, Slice detail) {
  x.answer(200, http::grpc::content_type);
  x.response.body = nullptr;
  x.response.length = {};
  text::Digits digits;
  x.response.headers.add("grpc-status", x.arena.copy(text::decimal(static_cast<uint64_t>(code), digits)));
  x.response.headers.add("grpc-message", x.arena.copy(http::grpc::message(detail)));
}

}  // namespace

int status_of(Code code) noexcept { return answer_for(code).status; }

void write_problem(Exchange& x, const Error& error, const Refusal* refusal) {
  const Answer answer = answer_for(error.code);
  x.release_held();
  if (answer.status == 0) {  // nobody to tell
    x.answered = false;
    return;
  }
  // What went wrong behind the gateway is for its operator, not for the client.
  const bool tell = side_of(error.code) == Side::client && !error.detail.empty();
  const Slice detail = tell ? Slice(error.detail) : answer.detail;
  http::Headers& headers = x.response.headers;
  if (http::grpc::is_call(x.request)) {
    refuse_call(x, answer.grpc, detail);
  } else {
    const std::string body = document(answer, detail, x.request_id, refusal);
    x.answer(answer.status, "application/problem+json", x.arena.copy(body));
  }
  headers.add("Cache-Control", "no-store");
  bool retry_told = false;
  if (refusal != nullptr) {
    for (const auto& [name, value] : refusal->headers) {
      headers.add(name, x.arena.copy(value));
      retry_told = retry_told || name == "Retry-After";
    }
  }
  if (answer.status == 503 && !retry_told) headers.add(http::HeaderId::retry_after, "1");
  if (closes(error.code)) x.request.keep_alive = false;
}

}  // namespace sallyport
