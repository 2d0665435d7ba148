// Request and Response: a message as it was understood. Slices live in the exchange's arena. One worker's
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/base/bytes.h"
#include "gateway/http/body.h"
#include "gateway/http/headers.h"

namespace sallyport::http {

class HeaderGuard;

enum class Method : uint8_t { get, head, post, put, delete_, options, patch, trace, connect, other };
inline constexpr std::array<std::string_view, 10> method_names = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "other"};
// Methods are case-sensitive (RFC 9110 section 9.1).
Method method_from(std::string_view name) noexcept;
inline std::string_view to_string(Method m) noexcept { return method_names[static_cast<size_t>(m)]; }

enum class Version : uint8_t { http10, http11, http2 };
inline std::string_view to_string(Version v) noexcept {
  return v == Version::http2 ? "HTTP/2" : v == Version::http11 ? "HTTP/1.1" : "HTTP/1.0";
}

// How the end of a message's content is known (RFC 9112 section 6). Decided by framing.h, nowhere else.
struct BodyLength {
  enum class Kind : uint8_t { none, counted, chunked, until_close };
  Kind kind = Kind::none;
  uint64_t bytes = 0;  // of `counted`

  constexpr bool is_nothing() const noexcept {
    return kind == Kind::none || (kind == Kind::counted && bytes == 0);
  }
  constexpr bool is_unknown() const noexcept { return kind == Kind::chunked || kind == Kind::until_close; }
};

struct Request {
  Method method = Method::other;
  Slice method_text;
  Version version = Version::http11;
  Slice target;     // the request target as sent; for nothing but messages
  Slice authority;  // the Host header's value, checked: host[:port]
  Slice host;       // lower case, without port
  Slice path;       // decoded, checked and encoded once (uri.h); begins with '/', or is "*" for OPTIONS
  Slice query;      // without '?', checked, as sent
  Slice sent_path;  // canonical, too: what the backend is asked for instead of `path`; empty: that
  Headers headers;
  BodyLength length;
  Body* body = nullptr;  // never null while a plugin sees it
  bool expects_continue = false;
  // The one protocol that the client wants to switch to (RFC 9110 section 7.8), as sent; forward empties it
  // where that is not allowed.
  Slice upgrade;
  bool keep_alive = true;       // the client wants to go on with this connection
  bool takes_trailers = false;  // the client has said so (TE: trailers, RFC 9110 section 10.1.4)
  // How long the client may be silent in its content, at whatever rate it comes; nothing: what its listener
  // says. forward sets it where content is a stream of messages.
  std::optional<Duration> silence;
  const HeaderGuard* guard = nullptr;  // says which of its trailers go on; null: none do

  // Trailers of the answer are for this client; HTTP/2 has no way to say that they are not.
  bool gets_trailers() const noexcept {
    return version == Version::http2 || (takes_trailers && version == Version::http11);
  }

  void clear() noexcept {
    Headers kept = std::move(headers);
    kept.clear();
    *this = Request{};
    headers = std::move(kept);
  }
};

struct Response {
  int status = 0;
  Version version = Version::http11;
  Headers headers;
  BodyLength length;
  Body* body = nullptr;
  bool keep_alive = true;  // the upstream lets us go on with its connection

  void clear() noexcept {
    Headers kept = std::move(headers);
    kept.clear();
    *this = Response{};
    headers = std::move(kept);
  }
};

// Server-sent events (WHATWG HTML section 9.2): an answer that lasts, and is silent in between.
bool is_event_stream(const Response& response) noexcept;

// A response to HEAD and 1xx, 204 and 304 have none (RFC 9110 section 6.4.1).
constexpr bool may_have_content(Method method, int status) noexcept {
  return method != Method::head && status >= 200 && status != 204 && status != 304;
}

// "OK" for 200; empty for what is not registered.
Slice reason_phrase(int status) noexcept;

}  // namespace sallyport::http
