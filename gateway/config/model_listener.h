// The part of the model that faces clients: http, listeners and admin; and what all parts of the model share.
//
// See model.h, which includes this. Read on the main thread, immutable afterwards; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gateway/base/units.h"
#include "gateway/config/reader.h"
#include "gateway/config/types.h"

namespace sallyport::config {

// A map with names of the user's choosing, in the file's order.
template <class T>
using Named = std::vector<std::pair<std::string, T>>;

// A key whose empty value means that it is absent: `show` then leaves it out.
template <class IO, class T>
void field_unless_empty(IO& io, std::string_view key, T& value) {
  if constexpr (std::is_same_v<IO, Writer>) {
    if (value.empty()) return;
  }
  io.field(key, value);
}

// Headers by which proxies, gateways and frameworks tell a backend what only they know, or what it takes for
// the request itself: addresses, the first URL, who has logged in, certificates, another method.
std::vector<std::string> untrusted_headers_by_default();

// http: what every connection of a client is held to.
struct Http {
  Duration header_timeout = seconds(10);  // from the first byte of a request's head to its last
  Duration idle_timeout = seconds(60);    // silence between two requests of a connection
  Duration body_timeout = seconds(30);    // the longest silence while a request's content is read
  Bytes body_rate{100};                   // bytes a second that content must come at, in the long run; 0: any
  Duration write_timeout = seconds(30);   // for the client to take what is ready for it
  Bytes header_bytes{32 * 1024};          // a request's head, its first line included; more is 431
  Bytes uri_bytes{8 * 1024};              // a request's target; more is 414
  uint32_t headers = 100;                 // header fields of a request; more is 431
  uint32_t connections = 10000;  // open ones, per worker; one more is closed as soon as it is accepted
  uint32_t connections_per_address = 0;  // of these, of one client address; 0: any number
  uint32_t streams = 128;                // HTTP/2: requests of one connection at a time; the client is told
  // HTTP/1.1: a client that ends its sending (FIN, close_notify) before it has its answer is gone, and its
  // backend is let go. A route may serve those that do so and still read (forward.half_closed).
  bool abort_on_fin = true;
  Bytes memory{0};  // of requests and connections, all workers together; 0: half of what there is
  std::vector<std::string> trusted_proxies;  // addresses (CIDR) whose X-Forwarded-For is believed
  // No backend gets these from anybody else, in any spelling ("X_Real.IP"); NAME, or PREFIX*.
  std::vector<std::string> untrusted_headers = untrusted_headers_by_default();

  template <class IO>
  void fields(IO& io) {
    io.field("header_timeout", header_timeout);
    io.field("idle_timeout", idle_timeout);
    io.field("body_timeout", body_timeout);
    io.field("body_rate", body_rate);
    io.field("write_timeout", write_timeout);
    io.field("header_bytes", header_bytes);
    io.field("uri_bytes", uri_bytes);
    io.field("headers", headers);
    io.field("connections", connections);
    io.field("connections_per_address", connections_per_address);
    io.field("streams", streams);
    io.field("abort_on_fin", abort_on_fin);
    io.field("memory", memory);
    field_unless_empty(io, "trusted_proxies", trusted_proxies);
    io.field("untrusted_headers", untrusted_headers);
  }
  void check(Reader& reader);
};

// One entry of listeners[].tls.certificates.
struct CertificateFiles {
  FilePath cert;  // PEM: the certificate, then its chain; watched and read again when it changes
  FilePath key;   // PEM: its private key

  template <class IO>
  void fields(IO& io) {
    io.required("cert", cert);
    io.required("key", key);
  }
  void check(Reader& reader);
};

enum class TlsVersion : uint8_t { tls12, tls13 };
constexpr std::array<std::string_view, 2> enum_names(TlsVersion) { return {"1.2", "1.3"}; }

enum class ClientCertificateMode : uint8_t {
  off,       // none is asked for
  optional,  // asked for; one that is given must be good
  required,  // without a good one there is no connection
};
constexpr std::array<std::string_view, 3> enum_names(ClientCertificateMode) {
  return {"off", "optional", "required"};
}

// listeners[].tls.client_certificates
struct ClientCertificates {
  FilePath ca;  // PEM: who may have signed them; needed unless the mode is off
  ClientCertificateMode mode = ClientCertificateMode::off;

  template <class IO>
  void fields(IO& io) {
    field_unless_empty(io, "ca", ca);
    io.field("mode", mode);
  }
  void check(Reader& reader);
};

// listeners[].tls
struct ListenerTls {
  std::vector<CertificateFiles>
      certificates;  // chosen by the client's server name; the first serves one without
  TlsVersion min_version = TlsVersion::tls12;  // nothing older than 1.2 exists here
  bool http2 = true;                           // offered to clients (ALPN), beside HTTP/1.1
  Duration handshake_timeout = seconds(10);    // from the accept to the end of the handshake
  ClientCertificates client_certificates;

  template <class IO>
  void fields(IO& io) {
    io.required("certificates", certificates);
    io.field("min_version", min_version);
    io.field("http2", http2);
    io.field("handshake_timeout", handshake_timeout);
    io.field("client_certificates", client_certificates);
  }
  void check(Reader& reader);
};

// listeners[].proxy_protocol
struct ProxyProtocol {
  std::vector<std::string> from;  // load balancers (CIDR) that begin with a PROXY header, version 1 or 2

  template <class IO>
  void fields(IO& io) {
    io.required("from", from);
  }
  void check(Reader& reader);
};

enum class Redirect : uint8_t { https };
constexpr std::array<std::string_view, 1> enum_names(Redirect) { return {"https"}; }

// One entry of listeners: exactly one of tls, redirect and plaintext: true.
struct Listener {
  std::string name;     // for the log and the metrics; unique
  std::string address;  // host:port, [v6]:port or unix:/path (address.h); port 0: one the system chooses
  std::optional<ListenerTls> tls;               // terminate TLS here
  std::optional<Redirect> redirect;             // https: answer 308 to the same path there, and serve nothing
  bool plaintext = false;                       // serve without TLS; only if it says so
  std::optional<ProxyProtocol> proxy_protocol;  // who may say in front of a connection whose it is
  Mark mark;                                    // where the entry stands

  template <class IO>
  void fields(IO& io) {
    io.required("name", name);
    io.required("address", address);
    io.field("tls", tls);
    io.field("redirect", redirect);
    io.field("plaintext", plaintext);
    io.field("proxy_protocol", proxy_protocol);
  }
  void check(Reader& reader);
};

// admin: /metrics /healthz /readyz /config /routes, for operators only. Without the block there is none.
struct Admin {
  std::string address;  // as a listener's
  Mark mark;

  template <class IO>
  void fields(IO& io) {
    io.required("address", address);
  }
  void check(Reader& reader);
};

}  // namespace sallyport::config
