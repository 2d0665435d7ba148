// connect: an outgoing connection to an address, with or without TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

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

struct TlsOptions {
  std::shared_ptr<const TlsClientContext> context;  // null: plain TCP
  std::string server_name;                          // SNI and the name that the certificate must have
  bool http2 = false;                               // h2 is offered, and must be chosen (ALPN)
};

// Until when one of so many addresses of a name is tried that are left: one that is silent leaves time for
// the others, and one that is far away has a third of it at least.
Monotonic share_of(Monotonic now, Monotonic deadline, size_t left) noexcept;

// Connects, and shakes hands if TLS is asked for, all before the deadline. TCP_NODELAY is on.
// Errors: connection_refused, timed_out, tls_failed (detail names the cause), io.
Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, SocketAddress to, TlsOptions tls,
                                              Monotonic deadline);

}  // namespace sallyport::net
