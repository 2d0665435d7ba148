// Listeners: the sockets of the config, bound by the main thread before the workers start, and what each
// worker needs to accept on them: the socket, the certificates, how refusals of TLS are counted.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/base/fd.h"
#include "gateway/base/live.h"
#include "gateway/config/model.h"
#include "gateway/core/background.h"
#include "gateway/net/listener.h"
#include "gateway/net/tls_context.h"
#include "gateway/observe/metrics.h"

namespace sallyport::server {

// What a TLS listener presents; replaced when a certificate file changes.
using TlsMaterial = net::TlsServerOptions;

// A listener of one config. Immutable, but for the Live material; shared by all workers.
struct ListenerPlan {
  config::Listener config;
  std::shared_ptr<Live<TlsMaterial>> tls;  // null without TLS
  // By which its sockets are found again after a reload: the address, whatever the listener is called; with
  // the name where the system chooses the port.
  std::string key() const;
};

// The sockets that a process has bound for one address: one a worker with SO_REUSEPORT, so that the kernel
// spreads the connections.
struct BoundListener {
  std::string key;  // of its ListenerPlan
  std::string name;
  std::string shown;        // with the real port
  uint16_t port = 0;        // 0: a unix socket
  std::vector<Fd> sockets;  // one a worker; each is given away once
  net::SocketFile file;     // of a unix socket
};

enum class PortSharing : uint8_t {
  ourselves,  // where another process listens on the port, it is refused
  anybody,    // other processes that share it may take their part of the connections
};

// Binds for that many workers, or for none. Errors: io, with the address and the cause; the reason is
// address_shared where `anybody` would have been let in.
Result<BoundListener> bind_listener(const config::Listener& listener, size_t workers, PortSharing sharing);

// Reads the files a listener's TLS names. Problems say which file is wrong and why.
std::optional<TlsMaterial> read_tls(const config::Listener& listener,
                                    std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                    config::Problems& problems);

// The files that a listener's TLS is read from, in the order that reload_tls() knows them by.
std::vector<std::string> tls_files(const config::Listener& listener);

// After files have changed: reads those certificates, and the authorities of clients, again and publishes all
// that are good at once, beside what else is served: whoever makes contexts of it makes them once. Each is by
// itself: what is wrong is logged, and what was served for it so far stays. Both are counted. A file that
// cannot be read is Background's to try again. True if the authorities are among what was taken.
bool reload_tls(const ListenerPlan& plan, std::span<const Background::ChangedFile> files,
                Background& background);

}  // namespace sallyport::server
