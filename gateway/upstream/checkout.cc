#include "gateway/upstream/checkout.h"

#include <utility>

#include "gateway/http/grpc.h"

namespace sallyport::upstream {
namespace {

// A call of gRPC is the exception: its backend may be the first to speak. Streams are shared, and one whose
// client is silent gives way to others (cluster_full.cc).
bool waits_for_content(const http::Request& request, const Cluster& cluster) {
  if (request.length.is_nothing() || request.body->ready()) return false;
  return !cluster.has_http2() || !http::grpc::is_call(request);
}

Task<Result<void>> content_begins(Exchange& x, Cluster& cluster) {
  const Cluster::Unsaid here(cluster);
  Result<void> begun = co_await x.first_content();
  if (begun && is_gone(x)) begun = gone();
  co_return begun;
}

}  // namespace

bool is_gone(const Exchange& x) noexcept { return x.ends_with_client && x.responder().client_ended(); }

std::unexpected<Error> gone() {
  return fail(Code::client_gone, "client_gone", "the client ended its sending");
}

Task<Result<void>> ready_to_send(Exchange& x, Cluster& cluster) {
  if (waits_for_content(x.request, cluster)) return content_begins(x, cluster);
  return Task<Result<void>>::ready(is_gone(x) ? Result<void>(gone()) : Result<void>());
}

}  // namespace sallyport::upstream
