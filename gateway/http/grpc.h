// gRPC over HTTP/2, as far as a gateway has to know it: what is a call, how long it may take, how it is
// refused (the protocol's own description, "gRPC over HTTP2"). Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "gateway/base/clock.h"
#include "gateway/http/message.h"

namespace sallyport::http::grpc {

constexpr Slice content_type = "application/grpc";

// True for a call: HTTP/2, and application/grpc in one of its forms (+proto, +json).
bool is_call(const Request& request) noexcept;

// The header grpc-timeout: at most eight digits and a unit. Nothing: there is none, or it is no such thing.
std::optional<Duration> timeout(const Request& request) noexcept;

// What goes into grpc-message: everything but printable ASCII, and '%' itself, percent-encoded.
std::string message(Slice text);

}  // namespace sallyport::http::grpc
