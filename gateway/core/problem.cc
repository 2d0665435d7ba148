#include "gateway/core/problem.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "gateway/core/exchange.h"
#include "gateway/core/plugin.h"
#include "gateway/http/h1_message.h"
#include "gateway/json/write.h"

namespace sallyport {
namespace {

struct Answer {
  int status;
  Slice slug;    // the problem's type: urn:sallyport:problem:SLUG
  Slice detail;  // said when the error's own detail is not for the client
};

Answer answer_for(Code code) noexcept {
  switch (code) {
    case Code::malformed_request:
      return {400, "malformed_request", "the request is not well-formed HTTP"};
    case Code::uri_too_long:
      return {414, "uri_too_long", "the request target is too long"};
    case Code::headers_too_large:
      return {431, "headers_too_large", "the header block is too large"};
    case Code::request_timeout:
      return {408, "request_timeout", "the request did not arrive in time"};
    case Code::no_route:
      return {404, "not_found", "nothing is served here"};
    case Code::method_not_allowed:
      return {405, "method_not_allowed", "see the Allow header"};
    case Code::expectation_failed:
      return {417, "expectation_failed", "only Expect: 100-continue is understood"};
    case Code::no_credentials:
      return {401, "credentials_needed", "see the WWW-Authenticate header"};
    case Code::bad_credentials:
      return {401, "bad_credentials", "the credentials are not good here"};
    case Code::stronger_login_needed:
      return {401, "stronger_login_needed", "log in again, more strongly"};
    case Code::forbidden:
      return {403, "forbidden", "the caller lacks a role that this asks for"};
    case Code::insufficient_scope:
      return {403, "insufficient_scope", "the token lacks a scope that this asks for"};
    case Code::over_limit:
      return {429, "over_limit", "slow down; see the Retry-After header"};
    case Code::body_too_large:
      return {413, "content_too_large", "the content is larger than this route takes"};
    case Code::unsupported_content_type:
      return {415, "unsupported_content_type", "send another Content-Type"};
    case Code::invalid_body:
      return {400, "invalid_content", "the content does not match what this route takes"};
    case Code::invalid_parameter:
      return {400, "invalid_parameter", "a parameter does not match what this route takes"};
    case Code::client_gone:
    case Code::connection_reset:
      return {0, "client_gone", ""};
    case Code::upstream_unreachable:
      return {503, "upstream_unreachable", "the service behind the gateway cannot be reached"};
    case Code::upstream_bad_answer:
      return {502, "upstream_bad_answer", "the service behind the gateway gave no valid answer"};
    case Code::upstream_timeout:
      return {504, "upstream_timeout", "the service behind the gateway did not answer in time"};
    case Code::dependency_down:
      return {503, "dependency_down", "something that the gateway needs is not there; try again soon"};
    case Code::overloaded:
      return {503, "overloaded", "the gateway has too much to do; try again soon"};
    default:
      return {500, "internal", "the gateway failed; the request id helps its operator to find out why"};
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
  const std::string body =
      document(answer, tell ? Slice(error.detail) : answer.detail, x.request_id, refusal);
  x.answer(answer.status, "application/problem+json", x.arena.copy(body));
  http::Headers& headers = x.response.headers;
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
