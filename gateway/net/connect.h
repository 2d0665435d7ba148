// connect: an outgoing connection, by name or address, with or without TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/async/task.h"
#include "gateway/net/stream.h"

namespace sallyport::net {

class TlsClientContext;

// A numeric address and port, as the resolver gives it.
struct SocketAddress {
  std::string host;  // "127.0.0.1" or "::1"; a path for a unix socket
  uint16_t port = 0;
  bool unix_path = false;
  bool operator==(const SocketAddress&) const = default;
};

// All addresses of a name (getaddrinfo on the thread pool), at most 32, IPv4 and IPv6 as the system orders
// them. A numeric host is given back at once. Errors: name_not_resolved, timed_out.
Task<Result<std::vector<SocketAddress>>> resolve(Loop& loop, std::string host, uint16_t port,
                                                 Monotonic deadline);

struct TlsOptions {
  std::shared_ptr<const TlsClientContext> context;  // null: plain TCP
  std::string server_name;                          // SNI and the name that the certificate must have
  bool http2 = false;                               // h2 is offered, and must be chosen (ALPN)
};

// Connects, and shakes hands if TLS is asked for, all before the deadline. TCP_NODELAY is on.
// Errors: connection_refused, timed_out, tls_failed (detail names the cause), io.
Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, SocketAddress to, TlsOptions tls,
                                              Monotonic deadline);

}  // namespace sallyport::net
