#include "gateway/config/model.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "gateway/base/cidr.h"
#include "gateway/base/text.h"
#include "gateway/config/address.h"
#include "gateway/config/ranges.h"

namespace sallyport::config {
namespace {

// That the file is there and can be read is said at load, and not by the first client that needs it.
void check_file(Reader& reader, std::string_view key, const FilePath& file) {
  if (file.empty()) return;  // not there, or the reader has said so
  struct stat status{};
  const char* wrong = nullptr;
  if (stat(file.resolved.c_str(), &status) != 0 || access(file.resolved.c_str(), R_OK) != 0) {
    wrong = std::strerror(errno);
  } else if (!S_ISREG(status.st_mode)) {
    wrong = "Not a file";
  }
  if (wrong == nullptr) return;
  reader.error_at(key, fmt::format("cannot read {}: {}", text::printable(file.resolved, 400), wrong));
}

void check_name(Reader& reader, std::string_view key, const std::string& name) {
  if (!reader.has(key) || is_name(name)) return;
  reader.error_at(key, fmt::format("\"{}\" is no name: 1 to 64 letters, digits, \"_\", \"-\" and \".\"",
                                   text::printable(name)));
}

void check_names(Reader& reader, std::string_view key) {
  const Node* map = reader.node().find(key);
  if (map == nullptr) return;
  for (const Node::Member& member : map->members) {
    if (is_name(member.name)) continue;
    reader.error_at(member.mark,
                    fmt::format("\"{}\" is no name: 1 to 64 letters, digits, \"_\", \"-\" and \".\"",
                                text::printable(member.name)));
  }
}

void check_address(Reader& reader, const std::string& address) {
  if (!reader.has_text("address")) return;
  if (auto parsed = parse_address(address); !parsed) reader.error_at("address", parsed.error().detail);
}

template <class T>
const T* find_named(const Named<T>& all, std::string_view name) noexcept {
  auto found = std::ranges::find(all, name, &std::pair<std::string, T>::first);
  return found == all.end() ? nullptr : &found->second;
}

void check_ranges(Reader& reader, std::string_view key, const std::vector<std::string>& ranges) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    const std::string& range = ranges[i];
    const Node& item = reader.node().find(key)->items[i];
    if (Cidr::parse(range) || !item.is_scalar() || item.kind == Node::Kind::null) continue;
    const std::string network = Cidr::network_of(range);
    reader.error_at(
        item.mark,
        network.empty()
            ? fmt::format("\"{}\" is not a range of addresses such as 10.0.0.0/8 or 2001:db8::/32",
                          text::printable(range))
            : fmt::format("\"{}\" has bits of a host behind its prefix: the range that it lies in is {}",
                          text::printable(range), network));
  }
}

// A token (RFC 9110 section 5.6.2), or the beginning of one and "*".
void check_header_names(Reader& reader, std::string_view key, const std::vector<std::string>& names) {
  static constexpr auto chars = text::letters_digits_and("!#$%&'+-.^_`|~");
  for (const std::string& name : names) {
    const std::string_view fixed =
        std::string_view(name).substr(0, name.size() - (name.ends_with('*') ? 1 : 0));
    const bool good = !fixed.empty() && fixed.size() < 64 &&
                      std::ranges::all_of(fixed, [](char c) { return chars[static_cast<uint8_t>(c)]; });
    if (!good)
      reader.error_at(key, fmt::format("\"{}\" is not the name of a header, or the beginning of one and *",
                                       text::printable(name)));
  }
  if (names.size() > 256) reader.error_at(key, fmt::format("{}: 256 names at most", key));
}

}  // namespace

bool is_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > 64) return false;
  return std::ranges::all_of(text, [](char c) {
    return text::is_alpha(c) || text::is_digit(c) || c == '_' || c == '-' || c == '.';
  });
}

std::vector<std::string> untrusted_headers_by_default() {
  constexpr std::string_view names =
      "X-Forwarded X-Forwarded-* Forwarded-* X-Real-IP X-Client-IP X-ClientIP X-Cluster-Client-IP "
      "Client-IP True-Client-IP X-True-Client-IP X-Remote-* X-Originating-* X-ProxyUser-IP Proxy-Client-IP "
      "WL-Proxy-* CF-* Fastly-* X-Azure-* X-Envoy-* X-Original-* X-Rewrite-* X-Host X-HTTP-Host-Override "
      "X-Scheme X-URL-Scheme X-Forward-* X-Script-Name X-Middleware-* X-Sendfile-* X-Accel-* "
      "Front-End-Https X-HTTPS Proxy Remote-* X-Authenticated-* X-Auth-Request-* X-Auth-User "
      "X-Auth-Username X-WebAuth-* X-Consumer-* X-Credential-* X-Anonymous-Consumer X-Userinfo "
      "X-Amzn-Oidc-* X-Amzn-Mtls-* X-Goog-Authenticated-User-* X-Goog-IAP-* X-MS-Client-Principal* "
      "X-MS-Token-* X-SSL-* SSL-* X-Client-Cert* X-Client-SSL-* X-Client-Verify X-Client-DN Client-Cert* "
      "X-TLS-* X-ARR-* X-HTTP-Method X-HTTP-Method-Override X-Method-Override X-HTTP-Path-Override";
  std::vector<std::string> out;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(' ', at), names.size());
    out.emplace_back(names.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool WorkerCount::shorthand(Reader& reader) {
  const Node& node = reader.node();
  const auto number = text::parse_decimal(node.text);
  automatic = true;
  if (node.kind == Node::Kind::string && node.text == "auto") return true;
  if (node.kind != Node::Kind::integer || !number || *number < 1 || *number > max) {
    reader.error(fmt::format("workers: expected auto or a number from 1 to {}", max));
    return true;
  }
  automatic = false;
  count = static_cast<uint32_t>(*number);
  return true;
}

bool WorkerCount::shorthand(Writer& writer) const {
  if (automatic)
    writer.text_value("auto");
  else
    writer.value(count);
  return true;
}

void WorkerCount::check(Reader& reader) {
  reader.error(fmt::format("workers: expected auto or a number from 1 to {}, found a map", max));
}

void ProxyProtocol::check(Reader& reader) { check_ranges(reader, "from", from); }

void Http::check(Reader& reader) {
  check_ranges(reader, "trusted_proxies", trusted_proxies);
  check_header_names(reader, "untrusted_headers", untrusted_headers);
  check_wait(reader, "header_timeout", header_timeout);
  check_wait(reader, "idle_timeout", idle_timeout);
  check_wait(reader, "body_timeout", body_timeout);
  check_wait(reader, "write_timeout", write_timeout);
  check_between(reader, "header_bytes", header_bytes, {1024}, {60 * 1024});
  check_between(reader, "uri_bytes", uri_bytes, {256}, {1024 * 1024});
  check_between(reader, "headers", headers, 8, 1000);
  check_between(reader, "connections", connections, 1, 1'000'000);
  check_between(reader, "streams", streams, 1, 1000);
  if (memory.count != 0) check_between(reader, "memory", memory, {1024 * 1024}, {uint64_t{1} << 44});
  if (uri_bytes.count >= header_bytes.count && reader.has("uri_bytes")) {
    reader.error_at("uri_bytes", "uri_bytes must be less than header_bytes, which counts the first line too");
  }
}

void CertificateFiles::check(Reader& reader) {
  check_file(reader, "cert", cert);
  check_file(reader, "key", key);
}

void ClientCertificates::check(Reader& reader) {
  check_file(reader, "ca", ca);
  if (mode != ClientCertificateMode::off && !reader.has("ca")) {
    reader.error("client_certificates: ca is missing: the file of those who may have signed them");
  }
  if (reader.has("ca") && !reader.has("mode"))
    reader.error_at(
        "ca",
        "client_certificates: say what the ca is for: mode: required, or optional; without a mode "
        "(off) nobody is asked for a certificate");
}

void ListenerTls::check(Reader& reader) {
  check_wait(reader, "handshake_timeout", handshake_timeout);
  if (certificates.empty() && reader.has("certificates") && reader.at("certificates").node().is_list()) {
    reader.error_at("certificates", "certificates: at least one is needed");
  }
}

void Listener::check(Reader& reader) {
  mark = reader.node().mark;
  check_name(reader, "name", name);
  check_address(reader, address);
  const int kinds = (reader.has("tls") ? 1 : 0) + (reader.has("redirect") ? 1 : 0) + (plaintext ? 1 : 0);
  if (kinds == 1) return;
  reader.error(
      fmt::format("listener \"{}\" {}: give it exactly one of tls: …, redirect: https and plaintext: true",
                  text::printable(name), kinds == 0 ? "does not say how it serves" : "says several things"));
}

void Admin::check(Reader& reader) {
  mark = reader.node().mark;
  check_address(reader, address);
}

bool AccessLogTo::shorthand(Reader& reader) {
  mark = reader.node().mark;
  std::string written = reader.node().text;
  if (written == "off" || (reader.node().kind == Node::Kind::boolean && written == "false")) {
    kind = Kind::off;
  } else if (written == "stdout") {
    kind = Kind::out;
  } else if (written == "stderr") {
    kind = Kind::err;
  } else if (reader.node().kind == Node::Kind::string && written.starts_with("file:") && written.size() > 5) {
    kind = Kind::file;
    file.shown = written.substr(5);
    const bool relative = !file.shown.starts_with('/') && !reader.directory().empty();
    file.resolved = relative ? reader.directory() + "/" + file.shown : file.shown;
  } else {
    reader.error("expected stdout, stderr, off or file:PATH");
  }
  return true;
}

bool AccessLogTo::shorthand(Writer& writer) const {
  if (kind == Kind::file)
    writer.text_value("file:" + file.shown);
  else
    writer.text_value(kind == Kind::out ? "stdout" : kind == Kind::err ? "stderr" : "off");
  return true;
}

void AccessLogTo::check(Reader& reader) {
  reader.error("expected stdout, stderr, off or file:PATH, found a map");
}

void Dns::check(Reader& reader) {
  if (servers.size() > servers_max)
    reader.error_at("servers", fmt::format("servers: {} at most", servers_max));
  for (const std::string& server : servers) {
    if (const auto address = parse_dns_server(server); !address)
      reader.error_at("servers", address.error().detail);
  }
}

void Shutdown::check(Reader& reader) {
  check_between(reader, "drain_timeout", drain_timeout, Duration::zero(), longest_wait);
}

void ClientTls::check(Reader& reader) { check_file(reader, "ca", ca); }

void MemoryStore::check(Reader& reader) {
  check_between(reader, "entries", entries, 1024, 64 * 1024 * 1024);
  if (const Node* url = reader.node().find("url"))
    reader.error_at(url->mark,
                    "the store \"memory\" is the embedded one, which has no url: call a Redis server by "
                    "another name");
}

void Store::check(Reader& reader) {
  mark = reader.node().mark;
  check_wait(reader, "timeout", timeout);
  check_wait(reader, "connect_timeout", connect_timeout);
  if (!reader.has_text("url")) return;
  const auto parsed = parse_redis_url(url);
  if (!parsed) reader.error_at("url", parsed.error().detail);
  if (parsed && !parsed->tls && reader.has("tls")) reader.error_at("tls", "tls is for a rediss:// URL");
  if (!username.empty() && !reader.has("password")) {
    reader.error_at("username", "a username needs a password: env:NAME or file:PATH");
  }
}

void Stores::read_redis(Reader& reader) {
  for (const Node::Member& member : reader.node().members) {
    if (member.name == "memory") continue;
    reader.field(member.name, redis.emplace_back(member.name, Store{}).second);
  }
}

void Upstream::check(Reader& reader) {
  mark = reader.node().mark;
  check_wait(reader, "connect_timeout", connect_timeout);
  check_wait(reader, "response_timeout", response_timeout);
  check_wait(reader, "body_timeout", body_timeout);
  check_wait(reader, "idle_timeout", idle_timeout);
  check_wait(reader, "resolve_every", resolve_every);
  check_between(reader, "connections_max", connections_max, 1, 100'000);
  const Node* list = reader.node().find("targets");
  if (list == nullptr || !list->is_list()) return;
  if (list->items.empty()) reader.error_at("targets", "targets: at least one is needed");
  for (const Node& item : list->items) target_marks.push_back(item.mark);
}

void AuthenticatorBlock::keep(Reader& reader) {
  for (const Node::Member& member : reader.node().members) reader.ignore(member.name);
  reader.value(block);
  path = reader.path();
}

bool AuthenticatorBlock::shorthand(Writer& writer) const {
  writer.value(block);
  return true;
}

const PluginBlock* Route::plugin(std::string_view key) const noexcept {
  auto found = std::ranges::find(plugins, key, &PluginBlock::key);
  return found == plugins.end() ? nullptr : &*found;
}

const Store* Model::store(std::string_view name) const noexcept { return find_named(stores.redis, name); }
const Upstream* Model::upstream(std::string_view name) const noexcept { return find_named(upstreams, name); }
const AuthenticatorBlock* Model::authenticator(std::string_view name) const noexcept {
  return find_named(authenticators, name);
}
const Raw* Model::limit(std::string_view name) const noexcept { return find_named(limits, name); }

void Model::check(Reader& reader) {
  if (version != 1 && reader.has("version")) {
    reader.error_at("version",
                    fmt::format("version {} is not known: this Sallyport reads version 1", version));
  }
  if (listeners.empty() && reader.has("listeners") && reader.at("listeners").node().is_list()) {
    reader.error_at("listeners", "listeners: at least one is needed");
  }
  for (std::string_view key : {"stores", "upstreams", "authenticators", "limits"}) check_names(reader, key);
  std::erase_if(authenticators, [](const auto& entry) { return entry.second.block == nullptr; });
}

}  // namespace sallyport::config
