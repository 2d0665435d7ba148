// Tunnel: the two directions of a backend's connection that has become a WebSocket (RFC 9110 section 7.8):
// bytes that nobody looks into, but for where a frame ends.
//
// As a Body it is what the backend sends; what the client sends is pumped to the backend beside that. Owned
// by the backend's connection; one worker's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "gateway/async/task.h"
#include "gateway/http/body.h"
#include "gateway/http/recheck.h"
#include "gateway/net/stream.h"

namespace sallyport::http {

// Follows the frames of a WebSocket (RFC 6455 section 5.2), to know where one may be put between two.
class WebSocketFrames {
 public:
  void see(Slice bytes) noexcept;
  bool between() const noexcept { return have_ == 0 && left_ == 0; }

 private:
  size_t header_bytes() const noexcept;
  uint8_t header_[14] = {};
  size_t have_ = 0;    // bytes of header_
  uint64_t left_ = 0;  // of the payload behind it
};

struct TunnelLimits {
  Duration idle;   // silence in both directions together; whatever the backend says, ten seconds at most once
                   // the client has ended
  Duration write;  // for the backend to take what is queued
  // Asked about once a second if set: false ends the tunnel with status 1008 (RFC 6455 section 7.4.1).
  std::move_only_function<bool()> still_allowed;
};

class Tunnel final : public Body {
 public:
  // from_client: what the client sends. Both outlive the tunnel.
  Tunnel(net::Stream& backend, Body& from_client, TunnelLimits limits);

  // The end, also after silence and when it is not allowed any more; never an error.
  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override { return std::nullopt; }
  // Close with status 1001, between two frames.
  Slice last_words() const noexcept override;

 private:
  Task<> pump();
  Task<> wait_for_input(Monotonic until);
  bool is_allowed();
  Slice farewell();
  Slice give() noexcept;

  net::Stream& backend_;
  Body& from_client_;
  TunnelLimits limits_;
  WebSocketFrames frames_;
  Monotonic ends_at_ = Monotonic::max();  // once the client has ended
  Monotonic last_;                        // when something last moved
  size_t given_ = 0;                      // bytes of the backend's input that the last pull gave
  bool ended_ = false;                    // nothing more is given
  bool gone_ = false;                     // the client's side has broken, or the backend takes nothing
  Recheck recheck_;
  Task<> pump_ = Task<>::ready();  // last: destroyed first
};

}  // namespace sallyport::http
