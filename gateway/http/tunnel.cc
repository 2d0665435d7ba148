#include "gateway/http/tunnel.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {
namespace {

// RFC 6455 section 5.5.1: FIN and close, two bytes, the status.
constexpr Slice close_1001 = "\x88\x02\x03\xe9";
constexpr Slice close_1008 = "\x88\x02\x03\xf0";
// For a backend whose client has ended, and so can answer nothing any more (RFC 6455 section 7.1.1).
constexpr Duration time_behind_client = seconds(10);

}  // namespace

size_t WebSocketFrames::header_bytes() const noexcept {
  if (have_ < 2) return 2;
  const uint8_t length = header_[1] & 0x7f;
  return 2 + (length == 126 ? 2U : length == 127 ? 8U : 0U) + ((header_[1] & 0x80) != 0 ? 4U : 0U);
}

void WebSocketFrames::see(Slice bytes) noexcept {
  while (!bytes.empty()) {
    const auto payload = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
    left_ -= payload;
    bytes.remove_prefix(payload);
    if (bytes.empty()) return;
    header_[have_++] = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (have_ < header_bytes()) continue;
    const uint8_t length = header_[1] & 0x7f;
    const size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    left_ = extended == 0 ? length : 0;
    for (size_t i = 0; i < extended; ++i) left_ = left_ << 8 | header_[2 + i];
    have_ = 0;
  }
}

Tunnel::Tunnel(net::Stream& backend, Body& from_client, TunnelLimits limits)
    : backend_(backend),
      from_client_(from_client),
      limits_(std::move(limits)),
      last_(backend.loop().now()),
      recheck_(last_) {
  pump_ = pump();
}

bool Tunnel::is_allowed() {
  return !limits_.still_allowed || recheck_.passes(backend_.loop().now(), limits_.still_allowed);
}

Task<> Tunnel::pump() {
  for (;;) {
    Result<Slice> piece = co_await from_client_.pull();
    gone_ = !piece;
    if (!piece || !is_allowed()) co_return;  // pull() hears of it
    if (piece->empty()) break;
    last_ = backend_.loop().now();
    Result<void> written = backend_.write(*piece);
    if (written) written = co_await backend_.drained(backend_.loop().now() + limits_.write);
    if (!written) {  // one that is broken may have said something before: the other direction finds the end
      gone_ = written.error().code == Code::timed_out;
      co_return;
    }
  }
  backend_.close_output();
  ends_at_ = backend_.loop().now() + time_behind_client;
}

Slice Tunnel::give() noexcept {
  const Slice piece = backend_.input().readable();
  given_ = piece.size();
  frames_.see(piece);
  return piece;
}

// Not in the middle of a frame: there the end alone must do.
Slice Tunnel::farewell() {
  ended_ = true;
  pump_ = Task<>::ready();  // nothing more of the client's
  return frames_.between() ? close_1008 : Slice{};
}

Slice Tunnel::last_words() const noexcept {
  const bool between = !ended_ && given_ == 0 && frames_.between();
  return between ? close_1001 : Slice{};
}

Task<> Tunnel::wait_for_input(Monotonic until) {
  Result<bool> more = co_await backend_.more(until);
  if (!more && more.error().code == Code::timed_out) co_return;
  if (backend_.input().empty()) ended_ = !more || !*more;
}

Task<Result<Slice>> Tunnel::pull() {
  backend_.input().consume(std::exchange(given_, 0));
  while (!ended_ && !gone_) {
    if (!is_allowed()) co_return farewell();
    const Monotonic now = backend_.loop().now();
    if (now >= ends_at_) break;
    if (!backend_.input().empty()) {
      last_ = now;
      co_return give();
    }
    Monotonic until = std::min(last_ + limits_.idle, ends_at_);
    if (now >= until) break;
    if (limits_.still_allowed) until = std::min(until, recheck_.next());
    const bool pumping = !pump_.done();
    Task<> input = wait_for_input(until);
    if (pumping) {
      co_await FirstOf(pump_, input);
    } else {
      co_await input;
    }
  }
  ended_ = true;
  co_return Slice{};
}

}  // namespace sallyport::http
