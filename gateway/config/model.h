// Model: the whole config as plain structs, one per YAML block. The struct is the config, its comments are
// the reference.
//
// Read and fully checked by load.h on the main thread, immutable afterwards and then read from any thread.
// What a struct checks about itself stands in its check() (model.cc); what concerns several blocks stands in
// load.cc. Blocks that belong to plugins are kept as they were written (Raw); the plugin reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/units.h"
#include "gateway/config/reader.h"
#include "gateway/config/route_pattern.h"
#include "gateway/config/types.h"

namespace sallyport::config {

template <class T>
using Named =
    std::vector<std::pair<std::string, T>>;  // a map with names of the user's choosing, in the file's order

// A key whose empty value means that it is absent: `show` then leaves it out.
template <class IO, class T>
void field_unless_empty(IO& io, std::string_view key, T& value) {
  if constexpr (std::is_same_v<IO, Writer>) {
    if (value.empty()) return;
  }
  io.field(key, value);
}

// workers: auto, or a number.
struct WorkerCount {
  static constexpr uint32_t max = 256;
  bool automatic = true;  // as many as the cgroup's CPU limit and the affinity mask allow
  uint32_t count = 0;     // 1 to max, if not automatic

  bool shorthand(Reader& reader);
  bool shorthand(Writer& writer) const;
  template <class IO>
  void fields(IO&) {}
  void check(Reader& reader);
};

// http: what every connection of a client is held to.
struct Http {
  Duration header_timeout =
      seconds(10);  // from a request head's first byte to its last, and for the first byte ever
  Duration idle_timeout = seconds(60);   // silence between two requests of a connection
  Duration body_timeout = seconds(30);   // the longest silence while a request's content is read
  Duration write_timeout = seconds(30);  // for the client to take what is ready for it
  Bytes header_bytes{32 * 1024};         // a request's head, its first line included; more is 431
  Bytes uri_bytes{8 * 1024};             // a request's target; more is 414
  uint32_t headers = 100;                // header fields of a request; more is 431
  uint32_t connections = 10000;  // open ones, per worker; one more is closed as soon as it is accepted

  template <class IO>
  void fields(IO& io) {
    io.field("header_timeout", header_timeout);
    io.field("idle_timeout", idle_timeout);
    io.field("body_timeout", body_timeout);
    io.field("write_timeout", write_timeout);
    io.field("header_bytes", header_bytes);
    io.field("uri_bytes", uri_bytes);
    io.field("headers", headers);
    io.field("connections", connections);
  }
  void check(Reader& reader);
};

// One entry of listeners[].tls.certificates.
struct CertificateFiles {
  FilePath cert;  // PEM: the certificate, then its chain; watched and read again when it changes
  FilePath key;   // PEM: its private key
  Mark mark;      // where the entry stands

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
  Duration handshake_timeout = seconds(10);    // from the accept to the end of the handshake
  ClientCertificates client_certificates;

  template <class IO>
  void fields(IO& io) {
    io.required("certificates", certificates);
    io.field("min_version", min_version);
    io.field("handshake_timeout", handshake_timeout);
    io.field("client_certificates", client_certificates);
  }
  void check(Reader& reader);
};

enum class Redirect : uint8_t { https };
constexpr std::array<std::string_view, 1> enum_names(Redirect) { return {"https"}; }

// One entry of listeners: exactly one of tls, redirect and plaintext: true.
struct Listener {
  std::string name;     // for the log and the metrics; unique
  std::string address;  // host:port, [v6]:port or unix:/path (address.h); port 0: one the system chooses
  std::optional<ListenerTls> tls;    // terminate TLS here
  std::optional<Redirect> redirect;  // https: answer 308 to the same path there, and serve nothing
  bool plaintext = false;            // serve without TLS; only if it says so
  Mark mark;                         // where the entry stands

  template <class IO>
  void fields(IO& io) {
    io.required("name", name);
    io.required("address", address);
    io.field("tls", tls);
    io.field("redirect", redirect);
    io.field("plaintext", plaintext);
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

// log.access.to: stdout, stderr, off or file:PATH.
struct AccessLogTo {
  enum class Kind : uint8_t { off, out, err, file };
  Kind kind = Kind::out;
  FilePath file;  // of Kind::file; appended to

  bool shorthand(Reader& reader);
  bool shorthand(Writer& writer) const;
  template <class IO>
  void fields(IO&) {}
  void check(Reader& reader);
};

// log.access: one JSON object a line for each request.
struct AccessLog {
  AccessLogTo to;

  template <class IO>
  void fields(IO& io) {
    io.field("to", to);
  }
};

enum class LogLevel : uint8_t { info, warn, error };
constexpr std::array<std::string_view, 3> enum_names(LogLevel) { return {"info", "warn", "error"}; }

// log
struct Log {
  AccessLog access;
  LogLevel level = LogLevel::info;  // the least that the error log on stderr shows

  template <class IO>
  void fields(IO& io) {
    io.field("access", access);
    io.field("level", level);
  }
};

// shutdown
struct Shutdown {
  Duration drain_timeout =
      seconds(30);  // after SIGTERM requests under way may take this long; then they are cut

  template <class IO>
  void fields(IO& io) {
    io.field("drain_timeout", drain_timeout);
  }
  void check(Reader& reader);
};

// tls of an upstream or a store: how the other side's certificate is checked.
struct ClientTls {
  FilePath ca;              // PEM; absent: the system's bundle, /etc/ssl/certs/ca-certificates.crt
  std::string server_name;  // SNI, and the name the certificate must have; absent: the host of the URL
  bool verify = true;  // false: any certificate will do (for tests; whoever is in between can read along)

  template <class IO>
  void fields(IO& io) {
    field_unless_empty(io, "ca", ca);
    field_unless_empty(io, "server_name", server_name);
    io.field("verify", verify);
  }
  void check(Reader& reader);
};

// stores.memory: the embedded table that limits use when they name no other store.
struct MemoryStore {
  uint32_t entries = 131072;  // buckets kept in the process; when full, the longest unused goes

  template <class IO>
  void fields(IO& io) {
    io.field("entries", entries);
  }
  void check(Reader& reader);
};

// stores.NAME: a Redis server.
struct Store {
  std::string url;                        // redis://host[:port][/db], or rediss:// for TLS (address.h)
  std::string username;                   // for AUTH; absent: the server's default user
  Secret password;                        // env:NAME or file:PATH; absent: no AUTH
  Duration timeout = milliseconds(20);    // for one answer; later is a failure of the store
  Duration connect_timeout = seconds(1);  // name, TCP, TLS and AUTH together
  ClientTls tls;                          // for rediss://
  Mark mark;

  template <class IO>
  void fields(IO& io) {
    io.required("url", url);
    field_unless_empty(io, "username", username);
    io.field("timeout", timeout);
    io.field("connect_timeout", connect_timeout);
    if constexpr (std::is_same_v<IO, Writer>) {  // what does not apply is not shown
      if (!password.reference.empty()) io.field("password", password);
      if (url.starts_with("rediss:")) io.field("tls", tls);
    } else {
      io.field("password", password);
      io.field("tls", tls);
    }
  }
  void check(Reader& reader);
};

// stores: `memory` always exists and needs no entry; all other names are Redis servers.
struct Stores {
  MemoryStore memory;
  Named<Store> redis;

  template <class IO>
  void fields(IO& io) {
    io.field("memory", memory);
    if constexpr (std::is_same_v<IO, Reader>) {
      read_redis(io);
    } else {
      for (auto& [name, store] : redis) io.field(name, store);
    }
  }

 private:
  void read_redis(Reader& reader);
};

// upstreams.NAME: a backend.
struct Upstream {
  std::vector<std::string> targets;       // http:// or https:// URLs without a path; several are balanced
  Duration connect_timeout = seconds(1);  // name, TCP and TLS together
  Duration response_timeout =
      seconds(15);                      // from the request's last byte to the response's head; later is 504
  Duration body_timeout = seconds(30);  // the longest silence while the response's content is read
  Duration idle_timeout = seconds(60);  // an unused connection is kept this long
  uint32_t connections_max = 256;       // open ones, per worker; requests wait for room up to connect_timeout
  Duration resolve_every = seconds(30);  // host names are looked up again
  ClientTls tls;                         // for https:// targets
  Mark mark;
  std::vector<Mark> target_marks;  // one for each target

  template <class IO>
  void fields(IO& io) {
    io.required("targets", targets);
    io.field("connect_timeout", connect_timeout);
    io.field("response_timeout", response_timeout);
    io.field("body_timeout", body_timeout);
    io.field("idle_timeout", idle_timeout);
    io.field("connections_max", connections_max);
    io.field("resolve_every", resolve_every);
    io.field("tls", tls);
  }
  void check(Reader& reader);
};

// authenticators.NAME: read by the plugin that knows the type.
struct AuthenticatorBlock {
  std::string type;  // api_key, jwt
  Raw block;         // all of it, `type` included
  std::string path;  // "authenticators.partner-keys"

  template <class IO>
  void fields(IO& io) {
    io.required("type", type);
    if constexpr (std::is_same_v<IO, Reader>) keep(io);
  }
  bool shorthand(Writer& writer) const;

 private:
  void keep(Reader& reader);
};

// routes[].match
struct Match {
  std::string host;  // lower case, without port; "*.example.com": all names below it; absent: any
  PathPattern path;  // "/orders/{id}"; the most specific path wins
  std::vector<std::string> methods;  // upper case; absent: all
  Mark mark;

  template <class IO>
  void fields(IO& io) {
    field_unless_empty(io, "host", host);
    io.required("path", path);
    field_unless_empty(io, "methods", methods);
  }
  void check(Reader& reader);
};

// A plugin's block as a route has it: its own, or that of `defaults`.
struct PluginBlock {
  std::string key;  // the plugin's name: "limit"
  Raw block;
  std::string path;  // where it was written: "routes[3].limit" or "defaults.limit"
};

// One entry of routes. Every key but name and match is the name of a plugin.
struct Route {
  std::string name;  // for the log and the metrics; unique
  Match match;
  std::vector<PluginBlock>
      plugins;  // in force: those of the route, then those of `defaults` that it did not replace
  Mark mark;

  const PluginBlock* plugin(std::string_view key) const noexcept;  // or null
};

struct Model {
  uint32_t version = 1;  // of this format
  WorkerCount workers;   // threads; `run --workers N` overrides it
  Http http;
  std::vector<Listener> listeners;  // at least one
  std::optional<Admin> admin;
  Log log;
  Shutdown shutdown;
  Stores stores;
  Named<Upstream> upstreams;
  Named<AuthenticatorBlock> authenticators;
  Named<Raw> limits;    // read by the plugin `limit`
  Named<Raw> defaults;  // plugin blocks that every route starts from
  std::vector<Route> routes;

  // The entry of that name, or null.
  const Store* store(std::string_view name) const noexcept;  // `memory` is none of these
  const Upstream* upstream(std::string_view name) const noexcept;
  const AuthenticatorBlock* authenticator(std::string_view name) const noexcept;
  const Raw* limit(std::string_view name) const noexcept;

  // `defaults` and `routes` are left to load.cc, which is told the names of the plugins, and to show.cc.
  template <class IO>
  void fields(IO& io) {
    io.required("version", version);
    io.field("workers", workers);
    io.field("http", http);
    io.required("listeners", listeners);
    io.field("admin", admin);
    io.field("log", log);
    io.field("shutdown", shutdown);
    io.field("stores", stores);
    io.field("upstreams", upstreams);
    io.field("authenticators", authenticators);
    io.field("limits", limits);
    io.ignore("defaults");
    io.ignore("routes");
  }
  void check(Reader& reader);
};

// True for what may be the name of a listener, route, upstream, …: 1 to 64 of A-Z a-z 0-9 _ . -
bool is_name(std::string_view text) noexcept;

}  // namespace sallyport::config
