#include <uv.h>

#include <array>
#include <utility>

#include "gateway/async/signal.h"
#include "gateway/net/connect.h"

namespace sallyport::net {
namespace {

constexpr size_t addresses_max = 32;

class Resolving;

// Lives until getaddrinfo is done with it, also if nobody waits any more.
struct Lookup {
  uv_getaddrinfo_t request;
  Resolving* waiting = nullptr;
};

void collect(std::vector<SocketAddress>& found, const addrinfo* list, uint16_t port) {
  for (const addrinfo* a = list; a != nullptr && found.size() < addresses_max; a = a->ai_next) {
    std::array<char, 64> text{};
    if (a->ai_family == AF_INET) {
      uv_ip4_name(reinterpret_cast<const sockaddr_in*>(a->ai_addr), text.data(), text.size());
    } else if (a->ai_family == AF_INET6) {
      uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(a->ai_addr), text.data(), text.size());
    } else {
      continue;
    }
    found.push_back({text.data(), port, false});
  }
}

class Resolving {
 public:
  Resolving(Loop& loop, Monotonic deadline, uint16_t port) : over(loop, deadline), port_(port) {}
  Resolving(const Resolving&) = delete;
  ~Resolving() {
    if (lookup_ == nullptr) return;
    lookup_->waiting = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_->request));
  }
  bool start(Loop& loop, const std::string& host) {
    lookup_ = new Lookup;
    lookup_->waiting = this;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    status = uv_getaddrinfo(loop.raw(), &lookup_->request, &Resolving::done, host.c_str(), nullptr, &hints);
    if (status != 0) delete std::exchange(lookup_, nullptr);
    return status == 0;
  }

  WaitUntil over;
  int status = 0;
  std::vector<SocketAddress> found;

 private:
  static void done(uv_getaddrinfo_t* request, int outcome, addrinfo* list) {
    auto* lookup = reinterpret_cast<Lookup*>(request);
    Resolving* me = lookup->waiting;
    if (me != nullptr) {
      me->status = outcome;
      if (outcome == 0) collect(me->found, list, me->port_);
      me->lookup_ = nullptr;
    }
    uv_freeaddrinfo(list);
    delete lookup;
    if (me != nullptr) me->over.notify();
  }

  uint16_t port_;
  Lookup* lookup_ = nullptr;
};

bool is_numeric(const std::string& host) {
  std::array<char, 16> address;
  return uv_inet_pton(AF_INET, host.c_str(), address.data()) == 0 ||
         uv_inet_pton(AF_INET6, host.c_str(), address.data()) == 0;
}

}  // namespace

Task<Result<std::vector<SocketAddress>>> resolve(Loop& loop, std::string host, uint16_t port,
                                                 Monotonic deadline) {
  if (is_numeric(host)) co_return std::vector<SocketAddress>{{host, port, false}};
  Resolving lookup(loop, deadline, port);
  if (lookup.start(loop, host)) {
    const bool in_time = co_await lookup.over;
    if (!in_time) co_return fail(Code::timed_out, "name_timeout", "the name could not be looked up in time");
  }
  // Resolvers should know localhost (RFC 6761 section 6.3); glibc's does by /etc/hosts only, which minimal
  // roots lack.
  if (lookup.status != 0 && host == "localhost")
    co_return std::vector<SocketAddress>{{"127.0.0.1", port, false}};
  if (lookup.status != 0)
    co_return fail(Code::name_not_resolved, "name_not_resolved", uv_strerror(lookup.status));
  if (lookup.found.empty())
    co_return fail(Code::name_not_resolved, "name_not_resolved", "the name has no address");
  co_return std::move(lookup.found);
}

}  // namespace sallyport::net
