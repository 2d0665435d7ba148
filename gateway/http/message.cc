#include "gateway/http/message.h"

#include <algorithm>
#include <array>
#include <span>

#include "gateway/base/text.h"

namespace sallyport::http {

Method method_from(std::string_view name) noexcept {
  const auto known = std::span(method_names).first(static_cast<size_t>(Method::other));
  const auto found = std::ranges::find(known, name);
  return static_cast<Method>(found - known.begin());
}

bool is_event_stream(const Response& response) noexcept {
  const Slice type = response.headers.get(HeaderId::content_type);
  return text::iequals(text::trim(type.substr(0, type.find(';'))), "text/event-stream");
}

// RFC 9110 section 15 and the registry beyond it.
Slice reason_phrase(int status) noexcept {
  if (status == 200) return "OK";  // nearly always
  struct Phrase {
    int status;
    Slice text;
  };
  static constexpr std::array<Phrase, 45> phrases = {{{100, "Continue"},
                                                      {101, "Switching Protocols"},
                                                      {103, "Early Hints"},
                                                      {200, "OK"},
                                                      {201, "Created"},
                                                      {202, "Accepted"},
                                                      {203, "Non-Authoritative Information"},
                                                      {204, "No Content"},
                                                      {205, "Reset Content"},
                                                      {206, "Partial Content"},
                                                      {300, "Multiple Choices"},
                                                      {301, "Moved Permanently"},
                                                      {302, "Found"},
                                                      {303, "See Other"},
                                                      {304, "Not Modified"},
                                                      {307, "Temporary Redirect"},
                                                      {308, "Permanent Redirect"},
                                                      {400, "Bad Request"},
                                                      {401, "Unauthorized"},
                                                      {402, "Payment Required"},
                                                      {403, "Forbidden"},
                                                      {404, "Not Found"},
                                                      {405, "Method Not Allowed"},
                                                      {406, "Not Acceptable"},
                                                      {408, "Request Timeout"},
                                                      {409, "Conflict"},
                                                      {410, "Gone"},
                                                      {411, "Length Required"},
                                                      {412, "Precondition Failed"},
                                                      {413, "Content Too Large"},
                                                      {414, "URI Too Long"},
                                                      {415, "Unsupported Media Type"},
                                                      {416, "Range Not Satisfiable"},
                                                      {417, "Expectation Failed"},
                                                      {421, "Misdirected Request"},
                                                      {422, "Unprocessable Content"},
                                                      {425, "Too Early"},
                                                      {428, "Precondition Required"},
                                                      {429, "Too Many Requests"},
                                                      {431, "Request Header Fields Too Large"},
                                                      {500, "Internal Server Error"},
                                                      {501, "Not Implemented"},
                                                      {502, "Bad Gateway"},
                                                      {503, "Service Unavailable"},
                                                      {504, "Gateway Timeout"}}};
  const auto found = std::ranges::lower_bound(phrases, status, {}, &Phrase::status);
  return found != phrases.end() && found->status == status ? found->text : Slice{};
}

}  // namespace sallyport::http
