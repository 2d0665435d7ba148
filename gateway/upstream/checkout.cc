#include "gateway/upstream/checkout.h"

#include "gateway/http/grpc.h"

namespace sallyport::upstream {
namespace {

// A call of gRPC is the exception: its backend may be the first to speak.
bool waits_for_content(const http::Request& request, const Cluster& cluster) {
  if (request.length.is_nothing() || request.body->ready()) return false;
  return !cluster.has_http2() || !http::grpc::is_call(request);
}

}  // namespace

Task<Result<void>> ready_to_send(Exchange& x, Cluster& cluster) {
  if (waits_for_content(x.request, cluster)) return x.first_content();
  return Task<Result<void>>::ready({});
}

}  // namespace sallyport::upstream
