// The end of a client's connection that has been answered.
#pragma once

#include <cstdint>

#include "gateway/async/task.h"
#include "gateway/net/stream.h"

namespace sallyport::http {

// For how long, and how much, is still read from a client that has had its answer. HTTP/2's streams do it,
// too.
constexpr Duration linger_time = seconds(2);
constexpr uint64_t linger_bytes_max = 1 << 20;

// Ends our sending and reads on for a short while, so that the client gets the answer before its bytes meet a
// closed port (RFC 9112 section 9.6).
Task<> linger(net::Stream& stream);

}  // namespace sallyport::http
