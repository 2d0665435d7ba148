#include "gateway/server/connection.h"

#include <utility>

#include "gateway/core/serve.h"
#include "gateway/server/worker.h"

namespace sallyport::server {

Connection::Connection(Worker& worker, std::shared_ptr<WorkerListener> listener,
                       std::unique_ptr<net::Stream> stream, net::TlsStream* tls, std::string client_ip)
    : worker_(worker),
      listener_(std::move(listener)),
      stream_(std::move(stream)),
      tls_(tls),
      info_{listener_->name, std::move(client_ip), false, {}},
      http_(*stream_, worker.server_limits()),
      exchange_(worker.loop(), info_, http_) {
  stream_->set_owner(this);
  listener_->connections.add(1);
}

Connection::~Connection() { listener_->connections.add(-1); }

void Connection::start() { task_ = run(); }

void Connection::stream_broke() { worker_.over(*this); }

void Connection::drain() {
  draining_ = true;
  http_.close_after_this();
  if (state_ == State::idle || state_ == State::handshake) worker_.over(*this);
}

Task<> Connection::run() {
  bool go_on = true;
  if (tls_ != nullptr) {
    go_on = co_await shake_hands();
    if (!go_on) {
      worker_.over(*this);
      co_return;
    }
  }
  while (go_on) {
    state_ = State::idle;
    go_on = co_await http_.wait_for_request();
    if (!go_on) break;
    state_ = State::busy;
    go_on = co_await serve_one();
    exchange_.clear();
    go_on = go_on && !draining_;  // the drain may have begun behind the answer's head
  }
  const bool orderly = state_ != State::closing;
  state_ = State::closing;
  if (orderly) co_await http_.linger();
  worker_.over(*this);
}

Task<bool> Connection::shake_hands() {
  Result<void> done = co_await tls_->handshake(worker_.loop().now() + listener_->handshake_timeout);
  if (!done) {
    listener_->handshake_failures.add(done.error().reason);
    co_return false;
  }
  info_.tls = true;
  info_.tls_version = tls_->version();
  listener_->count_handshake(info_.tls_version, tls_->resumed());
  co_return true;
}

// One request and its answer; false if it was the last of this connection.
Task<bool> Connection::serve_one() {
  exchange_.begin(worker_.world());
  if (draining_) http_.close_after_this();
  Result<void> read = co_await http_.read_request(exchange_.arena, exchange_.request);
  if (!read && read.error().code == Code::client_gone) {
    state_ = State::closing;
    co_return false;
  }
  if (!read) {
    co_await exchange_.fail(std::move(read.error()));
  } else if (listener_->redirect) {
    redirect();
  }
  co_await serve(exchange_);
  if (!exchange_.sent()) state_ = State::closing;  // cut off: an orderly end would look like a whole answer
  if (!exchange_.sent()) co_return false;
  co_return co_await http_.finish();
}

// 308 keeps method and content (RFC 9110 section 15.4.9). No port: clients reach TLS where https is, whatever
// we listen on.
void Connection::redirect() {
  const http::Request& r = exchange_.request;
  exchange_.answer(308);
  const Slice location =
      exchange_.arena.concat({"https://", r.host, r.path, r.query.empty() ? "" : "?", r.query});
  exchange_.response.headers.add(http::HeaderId::location, location);
}

}  // namespace sallyport::server
