#include "gateway/server/connection.h"

#include <utility>

#include "gateway/core/serve.h"
#include "gateway/http/linger.h"
#include "gateway/http/uri.h"
#include "gateway/observe/log.h"
#include "gateway/server/h2_connection.h"
#include "gateway/server/worker.h"

namespace sallyport::server {
namespace {

// For a request that may be on its way at a shutdown: of a newcomer, and on a connection that rests.
constexpr Duration first_request_time = seconds(2);
constexpr Duration next_request_time = milliseconds(300);

}  // namespace

Connection::Connection(Worker& worker, std::shared_ptr<WorkerListener> listener,
                       std::unique_ptr<net::Stream> stream, net::TlsStream* tls, std::string client_ip)
    : worker_(worker),
      listener_(std::move(listener)),
      admission_(listener_->admission),
      until_(worker.loop(), &Connection::until_is_over, this),
      counted_in_(listener_->counts->connections),
      stream_(std::move(stream)),
      tls_(tls),
      info_{listener_->name, std::move(client_ip), false, {}},
      place_(worker.clients(), info_.client_ip),
      objects_(worker.loop().blocks(), objects_bytes),
      http_(*stream_, worker.server_limits()),
      exchange_(worker.loop(), info_, http_),
      rests_since_(worker.loop().now()) {
  stream_->set_owner(this);
  counted_in_.add(1);
}

Connection::~Connection() { counted_in_.add(-1); }

bool Connection::is_admitted() const noexcept {
  return !certificate_over_ && admission_ == listener_->admission;
}

void Connection::until_is_over(void* self) {
  auto& me = *static_cast<Connection*>(self);
  if (me.last_answers_) return me.cut("not_admitted");
  if (me.draining_) return me.end_at_rest();
  me.certificate_over_ = true;
  me.drain();
}

void Connection::start() { task_ = run(); }

void Connection::stream_broke() { worker_.over(*this); }

// What the client ended its sending behind is answered; if only the backend is waited for, nobody may be left
// to answer.
void Connection::stream_ended() {
  if (state_ != State::busy || !exchange_.ends_with_client) return;
  if (!exchange_.answered || http_.waits_for_content()) worker_.over(*this);
}

void Connection::drain() {
  draining_ = true;
  if (!is_admitted() && !listener_->ended() && !std::exchange(last_answers_, true))
    until_.arm_after(worker_.drain_timeout());
  if (http2_ != nullptr) return is_admitted() ? http2_->drain() : http2_->refuse_more();
  http_.close_after_this();
  if (!is_admitted()) return end_at_rest();
  if (newcomer_ || state_ == State::idle)
    until_.arm_after(newcomer_ ? first_request_time : next_request_time);
}

// Unless a request is under way.
void Connection::end_at_rest() {
  if (state_ == State::handshake && is_admitted()) return worker_.over(*this);
  if (state_ != State::idle) return;
  task_ = Task<>::ready();
  task_ = end_in_order();
}

void Connection::cut(std::string_view why) {
  if (http2_ != nullptr) http2_->about_to_cut(why);
  if (has_request()) {
    exchange_.notes.reason = why;
    http_.say_last_words(exchange_.response);
  }
  worker_.over(*this);
}

// What it sends meanwhile would meet a closed port, and reset it.
Task<> Connection::end_in_order() {
  state_ = State::closing;
  rests_since_ = worker_.loop().now();
  co_await http::linger(*stream_, draining_ ? http::at_the_end : http::with_content);
  worker_.over(*this);
}

// Without a request it has the patience that a reader has: it owes nobody anything.
Stalled Connection::stalled(Monotonic now) noexcept {
  if (http2_ != nullptr && !http2_->is_idle()) return http2_->stalled(now);
  if (state_ == State::closing) return {};
  const size_t bytes = objects_bytes + stream_->bytes_held() + exchange_.bytes_held();
  if (!has_request()) {
    const Duration still = now - (http2_ != nullptr ? http2_->idle_since() : rests_since_);
    return still >= http::Standing::slow_reader_after ? Stalled{bytes, still} : Stalled{};
  }
  const size_t of_head = http_.waits_for_head() ? stream_->input().size() : 0;
  const uint64_t moved = of_head + http_.content_received() + http_.content_sent() - stream_->queued();
  const Duration still = standstill_.lasts(moved, bytes, exchange_.began, now);
  return has_stalled(http_, still) ? Stalled{bytes, still, !http_.waits_for_head()} : Stalled{};
}

void Connection::give_way(Monotonic now) {
  if (http2_ != nullptr && !http2_->is_idle()) return http2_->give_way(now);
  if (has_request()) exchange_.notes.reason = memory_full().error().reason;
  worker_.over(*this);
}

Duration Connection::asks_nothing_for(Monotonic now) noexcept {
  if (state_ == State::closing && !made_room_) return now - rests_since_;
  const Stalled found = made_room_ ? Stalled{} : stalled(now);
  return found.asks ? Duration{} : found.still;
}

void Connection::make_room() {
  made_room_ = true;
  listener_->counts->gave_way.add();
  if (http2_ != nullptr && http2_->has_no_request()) return http2_->drain();
  state_ == State::idle ? end_at_rest() : worker_.over(*this);
}

Task<> Connection::run() {
  bool go_on = true;
  if (tls_ != nullptr) {
    go_on = co_await shake_hands();
    if (!go_on) {
      worker_.over(*this);
      co_return;
    }
    if (!is_admitted()) co_return co_await end_in_order();
  }
  const Speaks speaks = co_await what_it_speaks();
  if (speaks == Speaks::http2) co_await run_http2();
  if (speaks != Speaks::http1) {
    worker_.over(*this);
    co_return;
  }
  while (go_on) {
    state_ = State::idle;
    rests_since_ = worker_.loop().now();
    go_on = co_await http_.wait_for_request();
    if (!go_on) break;
    state_ = State::busy;
    newcomer_ = false;
    go_on = co_await serve_one();
    exchange_.clear();
    worker_.look_at_memory();
    go_on = go_on && !draining_;  // the drain may have begun behind the answer's head
  }
  if (state_ != State::closing) co_return co_await end_in_order();
  worker_.over(*this);
}

Task<bool> Connection::shake_hands() {
  Result<void> done = co_await tls_->handshake(worker_.loop().now() + listener_->handshake_timeout);
  if (!done) {
    listener_->counts->handshake_failures.add(done.error().reason);
    co_return false;
  }
  info_.tls = true;
  info_.tls_version = tls_->version();
  listener_->count_handshake(info_.tls_version, tls_->resumed());
  if (const auto left = tls_->client_certificate_left(); left && !draining_) until_.arm_after(*left);
  co_return true;
}

// By ALPN; without TLS, where the client just begins with it (RFC 9113 section 3.3).
Task<Connection::Speaks> Connection::what_it_speaks() {
  if (tls_ != nullptr) co_return tls_->protocol() == "h2" ? Speaks::http2 : Speaks::http1;
  if (listener_->redirect) co_return Speaks::http1;
  state_ = State::idle;
  const bool begun = co_await http_.wait_for_request();
  if (!begun) co_return Speaks::nothing;
  const Monotonic deadline = worker_.loop().now() + worker_.server_limits().header_timeout;
  const Buffer& input = stream_->input();
  while (input.size() < http::h2::preface_bytes && http::h2::is_preface(input.readable())) {
    Result<bool> more = co_await stream_->more(deadline);
    if (!more || !*more) co_return Speaks::nothing;
  }
  co_return http::h2::is_preface(input.readable()) ? Speaks::http2 : Speaks::http1;
}

Task<> Connection::run_http2() {
  state_ = State::busy;
  newcomer_ = false;
  http2_ = std::make_unique<Http2Connection>(worker_, info_, *stream_);
  if (draining_) http2_->drain();
  co_await http2_->run();
  const std::string_view why = http2_->ended_by();
  if (why.empty()) co_return;
  listener_->counts->http2_ended.add(why);
  observe::log(observe::Level::warn, "http2_client_ended",
               {{"listener", info_.listener}, {"client_ip", info_.client_ip}, {"reason", why}});
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
  } else if (listener_->redirect && exchange_.request.path != "*") {
    redirect();
  }
  co_await serve(exchange_);
  if (!exchange_.sent()) state_ = State::closing;  // cut off: an orderly end would look like a whole answer
  if (!exchange_.sent()) co_return false;
  co_return co_await http_.finish();
}

// 308 keeps method and content (RFC 9110 section 15.4.9). Whoever came without a port reaches TLS where https
// is, whatever we listen on; with one, we are reached as we listen.
void Connection::redirect() {
  const http::Request& r = exchange_.request;
  constexpr uint16_t usual = 80;
  const auto asked = http::parse_authority(r.authority, exchange_.arena);
  const bool by_port = asked && asked->port.value_or(usual) != usual && listener_->https_port != 0;
  exchange_.answer(308);
  const Slice location =
      exchange_.arena.concat({"https://", r.host, by_port ? ":" + std::to_string(listener_->https_port) : "",
                              r.path, r.query.empty() ? "" : "?", r.query});
  exchange_.response.headers.add(http::HeaderId::location, location);
}

}  // namespace sallyport::server
