// Model: the whole config as plain structs, one per YAML block. The struct is the config, its comments are
// the reference.
//
// Read and fully checked by load.h on the main thread, immutable afterwards and then read from any thread.
// What a struct checks about itself stands in its check() (model.cc); what concerns several blocks stands in
// load.cc. Blocks that belong to plugins are kept as they were written (Raw); the plugin reads them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/units.h"
#include "gateway/config/model_listener.h"
#include "gateway/config/reader.h"
#include "gateway/config/route_pattern.h"
#include "gateway/config/types.h"

namespace sallyport::config {

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

// log.access.to: stdout, stderr, off or file:PATH.
struct AccessLogTo {
  enum class Kind : uint8_t { off, out, err, file };
  Kind kind = Kind::out;
  FilePath file;  // of Kind::file; appended to
  Mark mark;

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

// dns: how names of upstreams, stores and key sets are looked up.
struct Dns {
  static constexpr size_t servers_max = 8;
  std::vector<std::string> servers;  // ADDRESS[:port], asked instead of those of resolv.conf; empty: those

  template <class IO>
  void fields(IO& io) {
    io.field("servers", servers);
  }
  void check(Reader& reader);
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
  uint32_t entries = 131072;  // buckets of each limit; when full, the least used goes (limit/table.h)

  template <class IO>
  void fields(IO& io) {
    io.field("entries", entries);
    io.ignore("url");  // of a Redis server by that name: check() tells
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
  // http://, https://, h2c:// or h2:// (HTTP/2 without and with TLS) URLs without a path; several are
  // balanced
  std::vector<std::string> targets;
  Duration connect_timeout = seconds(1);  // name, TCP and TLS together
  Duration response_timeout =
      seconds(15);                      // from the request's last byte to the response's head; later is 504
  Duration body_timeout = seconds(30);  // the longest silence while the response's content is read
  Duration idle_timeout = seconds(60);  // an unused connection is kept this long
  uint32_t connections_max = 1024;      // open ones, per worker; requests wait for room up to connect_timeout
  Duration resolve_every = seconds(30);  // host names are looked up again, sooner if their TTL says so
  ClientTls tls;                         // for https:// and h2:// targets
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

enum class Slashes : uint8_t { refuse, merge };
constexpr std::array<std::string_view, 2> enum_names(Slashes) { return {"refuse", "merge"}; }

enum class PathParameters : uint8_t { refuse, keep };
constexpr std::array<std::string_view, 2> enum_names(PathParameters) { return {"refuse", "keep"}; }

// routes[].match
struct Match {
  std::string host;  // lower case, without port; "*.example.com": all names below it; absent: any
  PathPattern path;  // "/orders/{id}"; the most specific path wins
  std::vector<std::string> methods;  // upper case; absent: all
  // Of a path with "//": 400, or it is one slash, for the router and the backend.
  Slashes slashes = Slashes::refuse;
  // Of a path with ";": 400, or it is a character of its segment; still 400 where whoever cuts it off would
  // be at another route.
  PathParameters parameters = PathParameters::refuse;
  Mark mark;

  template <class IO>
  void fields(IO& io) {
    field_unless_empty(io, "host", host);
    io.required("path", path);
    field_unless_empty(io, "methods", methods);
    io.field("slashes", slashes);
    io.field("parameters", parameters);
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
  std::vector<std::string> misspelt;  // plugins whose key is there, but spelt wrong, which has been told

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
  Dns dns;
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
    io.field("dns", dns);
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
