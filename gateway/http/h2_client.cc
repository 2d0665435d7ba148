#include "gateway/http/h2_client.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

namespace sallyport::http::h2 {
namespace {

constexpr int32_t stream_window = 128 * 1024;
constexpr int32_t stream_window_at_first = 4 * 1024;
// A client that does not read must not stop the others: there is room for all of them, in the half of it that
// nghttp2 gives back only once it is used.
constexpr int32_t connection_window = 2 * stream_window * static_cast<int32_t>(ClientSession::streams_most);
constexpr Duration head_timeout = seconds(10);
constexpr Duration probe_timeout = seconds(2);
// Servers of gRPC end a connection that is asked more often while they have nothing to say.
constexpr Duration probe_pause = std::chrono::minutes(5);

}  // namespace

ClientSession::ClientSession(net::Stream& stream, Duration write_timeout, Owner& owner)
    : Session(stream, Role::client,
              {response_limits.header_bytes,
               0,
               {stream_window_at_first, stream_window},
               connection_window,
               head_timeout,
               write_timeout}),
      owner_(owner),
      probe_(stream.loop(), [](void* self) { static_cast<ClientSession*>(self)->probe_over(); }, this) {}

Task<> ClientSession::run() {
  Task<> reading = read();
  Task<> closing = wait_for_close();
  co_await FirstOf(reading, closing);
  over_ = true;
  if (waits_ != nullptr) waits_->notify();
  for (ClientStream* s = open_.front(); s != nullptr; s = open_.after(*s)) {
    if (s->closed_) continue;
    s->cut_off();
    note(*s);
  }
  wake_streams();
  owner_.session_changed();
}

Task<> ClientSession::wait_for_close() { co_await close_.wait(); }

Task<Result<void>> ClientSession::ready(Monotonic deadline) {
  WaitUntil until(stream_.loop(), deadline);
  const WaitSlot here(waits_, until);
  if (!ready_ && !over_) co_await until;
  if (ready_ && !over_) co_return Result<void>{};
  if (over_) co_return fail(Code::end_of_stream, "no_http2", "the backend closed before it spoke HTTP/2");
  co_return fail(Code::timed_out, "no_http2", "no SETTINGS came: does the backend speak HTTP/2?");
}

uint32_t ClientSession::streams_max() const noexcept {
  return std::min(nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
                  streams_most);
}

uint32_t ClientSession::room() const noexcept {
  if (!ready_ || retired_ || leaving_ || ended() || nghttp2_session_check_request_allowed(session_) == 0)
    return 0;
  const size_t most = streams_max();
  if (streams_ >= most || held_ >= streams_most) return 0;
  return static_cast<uint32_t>(std::min(most - streams_, streams_most - held_));
}

bool ClientSession::has_window() const noexcept {
  return nghttp2_session_get_remote_window_size(session_) > 0;
}

void ClientSession::probe() {
  const Monotonic now = stream_.loop().now();
  if (probe_.armed() || is_leaving() || (!answers_ && now < probed_at_ + probe_pause)) return;
  answers_ = false;
  probed_at_ = now;
  probe_.arm_after(probe_timeout);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  schedule();
}

void ClientSession::probe_over() {
  probe_.disarm();
  if (heard_at_ > probed_at_) return;
  retire();
  schedule();
}

void ClientSession::goodbye() {
  retired_ = true;
  end("", NGHTTP2_NO_ERROR);
}

// A push, which our SETTINGS forbid: nghttp2 has ended the connection before this.
Stream* ClientSession::begin(int32_t) { std::unreachable(); }

void ClientSession::settings_arrived() {
  ready_ = true;
  schedule();
}

void ClientSession::tell(Stream& stream) {
  auto& s = static_cast<ClientStream&>(stream);
  const bool closed = s.closed_;
  s.wake();
  if (closed) owner_.session_changed();
}

void ClientSession::turn_ended() {
  if (ready_ && waits_ != nullptr) waits_->notify();
  owner_.session_changed();
  const bool done = ended_ || is_done() || ((leaving_ || retired_) && streams_ == 0);
  if (!is_sendable() || (done && !is_congested())) close_.set();  // last: run() ends in it
}

}  // namespace sallyport::http::h2
