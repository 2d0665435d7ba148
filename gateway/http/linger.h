// The end of a client's connection that has been answered.
#pragma once

#include "gateway/async/task.h"
#include "gateway/net/stream.h"

namespace sallyport::http {

// Ends our sending and reads on for a short while, so that the client gets the answer before its bytes meet a
// closed port (RFC 9112 section 9.6). At most 2 s and 1 MiB.
Task<> linger(net::Stream& stream);

}  // namespace sallyport::http
