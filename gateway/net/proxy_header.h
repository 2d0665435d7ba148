// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a load balancer says of the
// client before the client's own bytes.
//
// Only for connections from addresses that the config trusts: the header is believed. One worker's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "gateway/async/task.h"
#include "gateway/base/clock.h"
#include "gateway/net/socket.h"

namespace sallyport::net {

struct ProxyHeader {
  size_t bytes = 0;       // of the header; 0: more bytes are needed
  std::string client_ip;  // numeric; empty: the balancer speaks for itself (LOCAL, UNKNOWN)
};
constexpr size_t proxy_header_max = 2048;

// Reads the header at the front of `input`. Pure. Errors: malformed_request.
Result<ProxyHeader> parse_proxy_header(Slice input);

// Reads the header off a socket that nobody else owns yet, and not a byte more. Gives the client's address,
// empty if there is none. The socket outlives the task. Errors: malformed_request, timed_out,
// connection_reset.
Task<Result<std::string>> read_proxy_header(Loop& loop, Socket& socket, Monotonic deadline);

}  // namespace sallyport::net
