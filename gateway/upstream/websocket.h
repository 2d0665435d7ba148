// The opening handshake of a WebSocket (RFC 6455 section 4.1) towards an HTTP/1.1 backend, for a client of
// HTTP/2, whose extended CONNECT has none (RFC 8441 section 5). Pure; any thread.
#pragma once

#include "gateway/base/arena.h"
#include "gateway/http/message.h"

namespace sallyport::upstream {

// Puts a fresh Sec-WebSocket-Key into the request.
void add_websocket_key(http::Request& request, Arena& arena);

// True if the 101 has the Sec-WebSocket-Accept that belongs to the request's key; it is taken out.
bool take_websocket_accept(const http::Request& request, http::Response& response);

}  // namespace sallyport::upstream
