// The end of a client's connection that has been answered.
#pragma once

#include <cstdint>

#include "gateway/async/task.h"
#include "gateway/net/stream.h"

namespace sallyport::http {

// For how long, and how much, is still read from a client that has had its answer. HTTP/2's streams do it,
// too: many clients send all of their content before they look.
struct Patience {
  Duration silence, whole;
  uint64_t bytes;
};
constexpr Patience with_content{seconds(2), seconds(30), 64 << 20};  // of a request that is under way
constexpr Patience at_the_end{seconds(2), seconds(2), 1 << 20};

// Ends our sending and reads on for a while, so that the client gets the answer before its bytes meet a
// closed port (RFC 9112 section 9.6).
Task<> linger(net::Stream& stream, Patience patience);

}  // namespace sallyport::http
