#include "gateway/http/h2_server.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace sallyport::http::h2 {
namespace {

constexpr Slice preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static_assert(preface.size() == preface_bytes);

constexpr Duration last_call_time = seconds(1);  // for an answer to the PING that says that it is known

constexpr int32_t stream_window = 256 * 1024;  // content of one request that may be under way to us
constexpr int32_t stream_window_at_first = 16 * 1024;

// Content that a backend does not take must not stop that of others: there is room for all of it, in the half
// of it that nghttp2 gives back only once it is used.
int32_t connection_window(uint32_t streams) noexcept {
  constexpr int64_t most = std::numeric_limits<int32_t>::max();  // RFC 9113 section 6.9.1
  return static_cast<int32_t>(std::min(most, 2 * int64_t{stream_window} * std::max<int64_t>(streams, 1)));
}

}  // namespace

bool is_preface(Slice bytes) noexcept { return preface.starts_with(bytes.substr(0, preface.size())); }

ServerSession::ServerSession(net::Stream& stream, const ServerLimits& limits, Owner& owner)
    : Session(stream, Role::server,
              {limits.head.header_bytes,
               limits.streams,
               {stream_window_at_first, stream_window},
               connection_window(limits.streams),
               limits.header_timeout,
               limits.write_timeout}),
      limits_(limits),
      owner_(owner),
      last_call_(stream.loop(), [](void* self) { static_cast<ServerSession*>(self)->refuse_more(); }, this) {}

Task<> ServerSession::run() {
  Task<> reading = read();
  Task<> closing = wait_for_close();
  co_await FirstOf(reading, closing);
}

Task<> ServerSession::wait_for_close() { co_await close_.wait(); }

Monotonic ServerSession::idle_until() const noexcept {
  return (streams_ > 0 ? stream_.loop().now() : quiet_since_) + limits_.idle_timeout;
}

void ServerSession::tell(Stream& stream) {
  auto& s = static_cast<ServerStream&>(stream);
  if (s.head_read_ && !s.closed_) owner_.serve(s, *std::exchange(s.head_read_, std::nullopt));
  s.wake();
  if (s.closed_) owner_.closed(s);
}

void ServerSession::turn_ended() {
  const bool done = ended_ || is_done() || (draining_ && streams_ == 0);
  if (!is_sendable() || (done && !is_congested())) close_.set();  // last: run() ends in it
}

void ServerSession::drain() {
  if (draining_ || last_call_.armed()) return;
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  last_call_.arm_after(last_call_time);
  schedule();
}

void ServerSession::ping_answered() {
  if (last_call_.armed()) refuse_more();
}

void ServerSession::refuse_more() {
  if (std::exchange(draining_, true)) return;
  last_call_.disarm();
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  schedule();
}

}  // namespace sallyport::http::h2
