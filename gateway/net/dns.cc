#include <uv.h>

#include <array>
#include <coroutine>
#include <utility>

#include "gateway/net/connect.h"

namespace sallyport::net {
namespace {

constexpr size_t addresses_max = 32;

// Lives until getaddrinfo is done with it, also if nobody waits any more.
struct Lookup {
  uv_getaddrinfo_t request;
  std::coroutine_handle<> waiting = nullptr;
  int status = 0;
  std::vector<SocketAddress> found;
};

void collect(Lookup& lookup, const addrinfo* list, uint16_t port) {
  for (const addrinfo* a = list; a != nullptr && lookup.found.size() < addresses_max; a = a->ai_next) {
    std::array<char, 64> text{};
    if (a->ai_family == AF_INET) {
      uv_ip4_name(reinterpret_cast<const sockaddr_in*>(a->ai_addr), text.data(), text.size());
    } else if (a->ai_family == AF_INET6) {
      uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(a->ai_addr), text.data(), text.size());
    } else {
      continue;
    }
    lookup.found.push_back({text.data(), port, false});
  }
}

class Resolving {
 public:
  Resolving(Loop& loop, const std::string& host, uint16_t port) : loop_(loop), host_(host), port_(port) {}
  Resolving(const Resolving&) = delete;
  ~Resolving() {
    if (lookup_ == nullptr) return;
    lookup_->waiting = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_->request));
  }
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiting) {
    lookup_ = new Lookup;
    lookup_->waiting = waiting;
    lookup_->request.data = this;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    status_ =
        uv_getaddrinfo(loop_.raw(), &lookup_->request, &Resolving::done, host_.c_str(), nullptr, &hints);
    if (status_ == 0) return true;
    delete std::exchange(lookup_, nullptr);
    return false;
  }
  Result<std::vector<SocketAddress>> await_resume() {
    if (status_ != 0) return fail(Code::name_not_resolved, "name_not_resolved", uv_strerror(status_));
    if (found_.empty()) return fail(Code::name_not_resolved, "name_not_resolved", "the name has no address");
    return std::move(found_);
  }

 private:
  static void done(uv_getaddrinfo_t* request, int status, addrinfo* list) {
    auto* lookup = reinterpret_cast<Lookup*>(request);
    const std::coroutine_handle<> waiting = lookup->waiting;
    if (waiting) {
      auto& me = *static_cast<Resolving*>(request->data);
      me.status_ = status;
      if (status == 0) collect(*lookup, list, me.port_);
      me.found_ = std::move(lookup->found);
      me.lookup_ = nullptr;
    }
    uv_freeaddrinfo(list);
    delete lookup;
    if (waiting) waiting.resume();
  }

  Loop& loop_;
  const std::string& host_;
  uint16_t port_;
  int status_ = 0;
  Lookup* lookup_ = nullptr;
  std::vector<SocketAddress> found_;
};

bool is_numeric(const std::string& host) {
  std::array<char, 16> address;
  return uv_inet_pton(AF_INET, host.c_str(), address.data()) == 0 ||
         uv_inet_pton(AF_INET6, host.c_str(), address.data()) == 0;
}

}  // namespace

Task<Result<std::vector<SocketAddress>>> resolve(Loop& loop, std::string host, uint16_t port) {
  if (is_numeric(host)) co_return std::vector<SocketAddress>{{host, port, false}};
  Resolving resolving(loop, host, port);
  co_return co_await resolving;
}

}  // namespace sallyport::net
