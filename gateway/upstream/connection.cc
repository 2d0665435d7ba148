#include "gateway/upstream/connection.h"

#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {

void Connection::exchange_over() noexcept {
  http.over();
  cluster_.give_back(*this);
}

void SharedConnection::session_changed() {
  if (cluster_ != nullptr && (session_.ended() || !endpoint.waiting.empty())) cluster_->look_around();
}

// Destroyed by the cluster at the end of the turn: the stream may be telling of something just now.
void StreamLease::exchange_over() noexcept {
  stream.over();
  cluster_.give_back(*this);
}

}  // namespace sallyport::upstream
