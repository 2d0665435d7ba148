#include "gateway/core/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

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

constexpr std::pair<Code, Answer> answers[] = {
    {Code::malformed_request,
     {400, Grpc::internal, "malformed_request", "the request is not well-formed HTTP"}},
    {Code::uri_too_long, {414, Grpc::internal, "uri_too_long", "the request target is too long"}},
    {Code::headers_too_large,
     {431, Grpc::resource_exhausted, "headers_too_large", "the header block is too large"}},
    {Code::request_timeout, {408, Grpc::cancelled, "request_timeout", "the request did not arrive in time"}},
    {Code::no_route, {404, Grpc::unimplemented, "not_found", "nothing is served here"}},
    {Code::method_not_allowed, {405, Grpc::unimplemented, "method_not_allowed", "see the Allow header"}},
    {Code::expectation_failed,
     {417, Grpc::internal, "expectation_failed", "only Expect: 100-continue is understood"}},
    {Code::no_credentials,
     {401, Grpc::unauthenticated, "credentials_needed", "see the WWW-Authenticate header"}},
    {Code::bad_credentials,
     {401, Grpc::unauthenticated, "bad_credentials", "the credentials are not good here"}},
    {Code::stronger_login_needed,
     {401, Grpc::unauthenticated, "stronger_login_needed", "log in again, more strongly"}},
    {Code::forbidden,
     {403, Grpc::permission_denied, "forbidden", "the caller lacks a role that this asks for"}},
    {Code::insufficient_scope,
     {403, Grpc::permission_denied, "insufficient_scope", "the token lacks a scope that this asks for"}},
    {Code::over_limit,
     {429, Grpc::resource_exhausted, "over_limit", "slow down; see the Retry-After header"}},
    {Code::body_too_large,
     {413, Grpc::resource_exhausted, "content_too_large", "the content is larger than this route takes"}},
    {Code::unsupported_content_type,
     {415, Grpc::invalid_argument, "unsupported_content_type", "send another Content-Type"}},
    {Code::invalid_body,
     {400, Grpc::invalid_argument, "invalid_content", "the content does not match what this route takes"}},
    {Code::invalid_parameter,
     {400, Grpc::invalid_argument, "invalid_parameter", "a parameter does not match what this route takes"}},
    {Code::client_gone, {0, Grpc::cancelled, "client_gone", ""}},
    {Code::connection_reset, {0, Grpc::cancelled, "client_gone", ""}},
    {Code::upstream_unreachable,
     {503, Grpc::unavailable, "upstream_unreachable", "the service behind the gateway cannot be reached"}},
    {Code::upstream_bad_answer,
     {502, Grpc::unavailable, "upstream_bad_answer", "the service behind the gateway gave no valid answer"}},
    {Code::upstream_timeout,
     {504, Grpc::deadline_exceeded, "upstream_timeout",
      "the service behind the gateway did not answer in time"}},
    {Code::dependency_down,
     {503, Grpc::unavailable, "dependency_down",
      "something that the gateway needs is not there; try again soon"}},
    {Code::overloaded,
     {503, Grpc::unavailable, "overloaded", "the gateway has too much to do; try again soon"}},
};

constexpr Answer answer_for(Code code) noexcept {
  const auto* found = std::ranges::find(answers, code, &std::pair<Code, Answer>::first);
  if (found != std::ranges::end(answers)) return found->second;
  return {500, Grpc::internal, "internal",
          "the gateway failed; the request id helps its operator to find out why"};
}

// After these the connection's bytes cannot be trusted, or the client will not go on.
bool closes(Code code) noexcept {
  return code == Code::malformed_request || code == Code::uri_too_long || code == Code::headers_too_large ||
         code == Code::request_timeout || code == Code::expectation_failed;
}

// Of what a violation tells: strangers have a part in it.
constexpr size_t told_max = 512;

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
      json::append_string(out, text::shortened(v.pointer, told_max));
      out += R"(,"keyword":)";
      json::append_string(out, v.keyword);
      out += R"(,"detail":)";
      json::append_string(out, text::shortened(v.detail, told_max));
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
