#include "gateway/upstream/checkout.h"

#include <utility>

#include "gateway/http/grpc.h"

namespace sallyport::upstream {
namespace {

// A call of gRPC whose client is silent is the exception: its backend may be the first to speak. Streams are
// shared, and such a one gives way to others (cluster_full.cc).
bool may_begin_without(const http::Request& request, const Cluster& cluster) {
  return cluster.has_http2() && http::grpc::is_call(request);
}

Result<void> unless_gone(const Exchange& x, Result<void> begun) {
  if (begun && is_gone(x)) return gone();
  return begun;
}

Task<Result<void>> content_begins(Exchange& x, Cluster& cluster) {
  const Cluster::Unsaid here(cluster);
  Result<void> begun = co_await x.first_content();
  co_return unless_gone(x, std::move(begun));
}

}  // namespace

bool is_gone(const Exchange& x) noexcept { return x.ends_with_client && x.responder().client_ended(); }

std::unexpected<Error> gone() {
  return fail(Code::client_gone, "client_gone", "the client ended its sending");
}

// What is there already is kept as well: whether a request can be sent once more must not depend on how its
// bytes were cut.
Task<Result<void>> ready_to_send(Exchange& x, Cluster& cluster) {
  Result<void> begun;
  if (!x.request.length.is_nothing()) {
    if (x.request.body->ready()) {
      begun = x.first_content().take();
    } else if (!may_begin_without(x.request, cluster)) {
      return content_begins(x, cluster);
    }
  }
  return Task<Result<void>>::ready(unless_gone(x, std::move(begun)));
}

}  // namespace sallyport::upstream
