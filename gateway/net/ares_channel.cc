#include "gateway/net/ares_channel.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/base/units.h"

namespace sallyport::net {
namespace {

// When a query is sent again, doubled each time, and how often it is sent: a datagram that is lost costs less
// than a request's patience. "options timeout:N attempts:N" of resolv.conf, in seconds, say otherwise, but
// not so much that a server that is back is not asked for minutes.
struct Patience {
  int first_ms = 500;
  int tries = 4;
};
constexpr int seconds_most = 5;
constexpr int tries_most = 4;
constexpr size_t name_max = 253;

// c-ares 1.18 does not know these two by the names that resolv.conf(5) gives them.
Patience patience_of(const std::string& resolv_conf) {
  Patience patience;
  std::ifstream file(resolv_conf);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("options")) continue;
    const auto number = [&](std::string_view key, int most) -> std::optional<int> {
      const size_t at = line.find(key);
      if (at == std::string::npos) return std::nullopt;
      const std::string_view behind = std::string_view(line).substr(at + key.size());
      const auto value = text::parse_decimal(behind.substr(0, behind.find_first_not_of("0123456789")));
      if (!value || *value == 0) return std::nullopt;
      return static_cast<int>(std::min<uint64_t>(*value, static_cast<uint64_t>(most)));
    };
    if (const auto wait = number("timeout:", seconds_most)) patience.first_ms = *wait * 1000;
    if (const auto tries = number("attempts:", tries_most)) patience.tries = *tries;
  }
  return patience;
}

std::unexpected<Error> not_resolved(int status) {
  const bool none = status == ARES_ENOTFOUND || status == ARES_ENODATA;
  return fail(none ? Code::name_not_resolved : Code::io, "name_not_resolved", ares_strerror(status));
}

Result<Addresses> addresses_of(int status, ares_addrinfo* raw) {
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> answer(raw, &ares_freeaddrinfo);
  if (status != ARES_SUCCESS || answer == nullptr) return not_resolved(status);
  Addresses found;
  found.good_for = longest_duration;
  const auto lasts = [&](int ttl) {
    found.good_for = std::min<Duration>(found.good_for, seconds(std::max(ttl, 0)));
  };
  for (const ares_addrinfo_cname* c = answer->cnames; c != nullptr; c = c->next) lasts(c->ttl);
  for (const ares_addrinfo_node* a = answer->nodes; a != nullptr; a = a->ai_next) {
    if (found.list.size() == AresChannel::addresses_max) break;
    std::array<char, 64> text{};
    if (a->ai_family == AF_INET)
      uv_ip4_name(reinterpret_cast<const sockaddr_in*>(a->ai_addr), text.data(), text.size());
    else if (a->ai_family == AF_INET6)
      uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(a->ai_addr), text.data(), text.size());
    else
      continue;
    found.list.emplace_back(text.data());
    lasts(a->ai_ttl);
  }
  if (found.list.empty()) return not_resolved(ARES_ENODATA);
  return found;
}

}  // namespace

// A socket of c-ares'; the handle lives until libuv has let go of it.
struct AresChannel::Watch {
  uv_poll_t handle;
  AresChannel* channel = nullptr;
  int socket = -1;
};

std::unique_ptr<AresChannel> AresChannel::make(Loop& loop, const Options& options) {
  std::unique_ptr<AresChannel> made(new AresChannel(loop));
  return made->open(options) ? std::move(made) : nullptr;
}

bool AresChannel::open(const Options& options) {
  const Patience patience = patience_of(options.resolv_conf);
  std::string files = "f", dns = "b", resolv_conf = options.resolv_conf;
  ares_options raw{};
  raw.timeout = patience.first_ms;
  raw.tries = patience.tries;
  raw.resolvconf_path = resolv_conf.data();
  raw.sock_state_cb = &AresChannel::watch;
  raw.sock_state_cb_data = this;
  const int given =
      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
  raw.lookups = files.data();
  if (ares_init_options(&files_, &raw, given) != ARES_SUCCESS) files_ = nullptr;
  raw.lookups = dns.data();
  if (ares_init_options(&dns_, &raw, given) != ARES_SUCCESS) dns_ = nullptr;
  if (files_ == nullptr || dns_ == nullptr || !read_search_list()) return false;
  if (options.servers.empty()) return true;
  std::string all;
  for (const std::string& server : options.servers) all += (all.empty() ? "" : ",") + server;
  return ares_set_servers_ports_csv(dns_, all.c_str()) == ARES_SUCCESS;
}

bool AresChannel::read_search_list() {
  ares_options known{};
  int which = 0;
  if (ares_save_options(dns_, &known, &which) != ARES_SUCCESS) return false;
  dots_ = known.ndots;
  for (int i = 0; i < known.ndomains; ++i) {
    std::string domain = known.domains[i];
    if (domain.ends_with('.')) domain.pop_back();
    if (!domain.empty()) domains_.push_back(std::move(domain));
  }
  ares_destroy_options(&known);
  return true;
}

std::vector<std::string> AresChannel::candidates(const std::string& host) const {
  if (host.ends_with('.')) return {host};
  const bool as_it_is_first = std::ranges::count(host, '.') >= dots_;
  std::vector<std::string> all;
  if (as_it_is_first) all.push_back(host + '.');
  for (const std::string& domain : domains_) {
    if (host.size() + 1 + domain.size() <= name_max) all.push_back(host + '.' + domain + '.');
  }
  if (!as_it_is_first) all.push_back(host + '.');
  return all;
}

AresChannel::~AresChannel() {
  if (dns_ != nullptr) ares_destroy(dns_);  // closes its sockets, of which watch() hears
  if (files_ != nullptr) ares_destroy(files_);
}

void AresChannel::look_up(const std::string& name, Family family, Asker& asker) {
  ares_addrinfo_hints hints{};
  hints.ai_family = family == Family::v4 ? AF_INET : AF_INET6;
  hints.ai_flags = ARES_AI_NOSORT;  // the order that the server chose, and no socket for each address
  const auto answered = [](void* who, int status, int, ares_addrinfo* found) {
    static_cast<Asker*>(who)->answered(addresses_of(status, found));
  };
  ares_getaddrinfo(dns_, name.c_str(), nullptr, &hints, answered, &asker);
  arm();
}

Result<Addresses> AresChannel::in_hosts_file(const std::string& name) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS;
  Result<Addresses> out = not_resolved(ARES_ENOTFOUND);
  const auto answered = [](void* to, int status, int, ares_addrinfo* found) {
    *static_cast<Result<Addresses>*>(to) = addresses_of(status, found);
  };
  ares_getaddrinfo(files_, name.c_str(), nullptr, &hints, answered, &out);
  if (out) out->good_for = longest_duration;
  return out;
}

void AresChannel::watch(void* self, int socket, int readable, int writable) {
  auto& me = *static_cast<AresChannel*>(self);
  const auto at = std::ranges::find(me.watches_, socket, &Watch::socket);
  const int events = (readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0);
  if (events == 0) {  // it is about to be closed
    if (at == me.watches_.end()) return;
    Watch* gone = *at;
    me.watches_.erase(at);
    uv_close(reinterpret_cast<uv_handle_t*>(&gone->handle),
             [](uv_handle_t* handle) { delete reinterpret_cast<Watch*>(handle); });
    return;
  }
  Watch* watch = at != me.watches_.end() ? *at : new Watch;
  if (at == me.watches_.end()) {
    watch->channel = &me;
    watch->socket = socket;
    if (uv_poll_init(me.loop_.raw(), &watch->handle, socket) != 0) {  // its queries end by their time-outs
      delete watch;
      return;
    }
    me.watches_.push_back(watch);
  }
  uv_poll_start(&watch->handle, events, [](uv_poll_t* handle, int status, int ready) {
    const Watch& w = *reinterpret_cast<Watch*>(handle);
    const bool in = status != 0 || (ready & UV_READABLE) != 0;  // an error is found by reading
    const bool out = status != 0 || (ready & UV_WRITABLE) != 0;
    w.channel->process(in ? w.socket : ARES_SOCKET_BAD, out ? w.socket : ARES_SOCKET_BAD);
  });
}

void AresChannel::process(int readable, int writable) {
  ares_process_fd(dns_, readable, writable);
  arm();
}

void AresChannel::late(void* self) {
  static_cast<AresChannel*>(self)->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void AresChannel::arm() {
  timeval left{};
  if (ares_timeout(dns_, nullptr, &left) == nullptr) {
    timer_.disarm();
    return;
  }
  timer_.arm_after(seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec) + milliseconds(1));
}

}  // namespace sallyport::net
