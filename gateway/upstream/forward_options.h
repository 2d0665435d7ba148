// ForwardOptions: what a route's `forward` says, and what of it cannot be.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/config/ranges.h"
#include "gateway/core/setup.h"

namespace sallyport::upstream {

enum class Credentials : uint8_t { remove, keep };
constexpr std::array<std::string_view, 2> enum_names(Credentials) { return {"remove", "keep"}; }

enum class Answers : uint8_t { rewrite, keep };
constexpr std::array<std::string_view, 2> enum_names(Answers) { return {"rewrite", "keep"}; }

enum class HalfClosed : uint8_t { abort, serve };
constexpr std::array<std::string_view, 2> enum_names(HalfClosed) { return {"abort", "serve"}; }

enum class Upgrade : uint8_t { websocket };
constexpr std::array<std::string_view, 1> enum_names(Upgrade) { return {"websocket"}; }

struct ForwardOptions {
  std::string to;  // the upstream
  // What the backend is asked for: a path whose {names} are those of match.path; without it, the client's.
  std::optional<config::PathPattern> path;
  // Whether Location, Content-Location and the paths of cookies are put in the client's terms; default: where
  // there is a `path`.
  std::optional<Answers> answers;
  std::optional<Duration> timeout;  // to the response head; default: the upstream's response_timeout
  Credentials credentials = Credentials::remove;  // the headers of all authenticators; keep: the backend sees
                                                  // what the caller sent of them
  std::vector<Upgrade> upgrade;                   // protocols that a connection may switch to
  // A client that ends its sending (FIN) behind its request: is it gone, or does it still read? Default: what
  // http.abort_on_fin says.
  std::optional<HalfClosed> half_closed;
  // Silence in both directions of a connection that has switched, and of a gRPC call; and of an event stream.
  Duration idle_timeout = std::chrono::minutes(5);

  template <class IO>
  void fields(IO& io) {
    io.required("to", to);
    io.field("path", path);
    io.field("answers", answers);
    io.field("timeout", timeout);
    io.field("credentials", credentials);
    io.field("upgrade", upgrade);
    io.field("half_closed", half_closed);
    io.field("idle_timeout", idle_timeout);
  }
  void check(config::Reader& reader) const {
    if (timeout) config::check_wait(reader, "timeout", *timeout);
    config::check_wait(reader, "idle_timeout", idle_timeout);
  }
};

// Every {name} of forward.path must be one of match.path, and of its kind.
void check_path(const config::PathPattern& path, const config::PathPattern& match, config::Reader& reader);
// HTTP/2 has no Upgrade (RFC 9113 section 8.6).
void check_upgrade(const ForwardOptions& options, config::Reader& reader, const Setup& setup);

}  // namespace sallyport::upstream
