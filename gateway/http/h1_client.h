// ClientConnection: HTTP/1.1 towards a backend: one request at a time over a stream that is kept alive.
//
// Owned by the pool or by the exchange that has leased it; one worker's thread.
#pragma once

#include <memory>

#include "gateway/async/task.h"
#include "gateway/base/arena.h"
#include "gateway/http/framing.h"
#include "gateway/http/h1_body.h"
#include "gateway/http/message.h"
#include "gateway/http/requester.h"
#include "gateway/http/tunnel.h"
#include "gateway/http/upload.h"
#include "gateway/net/stream.h"

namespace sallyport::http::h1 {

class ClientConnection final : public Requester {
 public:
  explicit ClientConnection(std::unique_ptr<net::Stream> stream) noexcept;

  Task<Result<void>> send(const Request& request, Slice host, const Timeouts& timeouts,
                          Arena& arena) override;
  Task<Result<void>> read_response(const Request& request, Arena& arena, Response& response) override;
  Body& tunnel(Body& from_client, TunnelLimits limits) override;
  bool answered_nothing() const noexcept override { return !answered_; }
  bool request_sent() const noexcept override { return pump_.done(); }
  bool content_untouched() const noexcept override { return content_untouched_; }
  Refusal refusal() const noexcept override { return Refusal::none; }  // HTTP/1.1 has no way to say so
  Standing standing() const noexcept override;
  void give_up_content() override { upload_.give_up(); }
  void give_up_answer() noexcept override;  // and the connection is closed

  // The exchange is over: nothing of its request or answer is touched any more.
  void over() noexcept {
    stop();
    body_.drop_trailers();
  }
  // True after a whole exchange over a connection that both sides keep: it may go back to the pool.
  bool reusable() const noexcept;
  // For one that rests in the pool: false once the backend has closed it, or sent something unasked.
  bool alive() const noexcept { return !stream_->ended() && !stream_->broken() && stream_->input().empty(); }
  net::Stream& stream() noexcept { return *stream_; }
  size_t bytes_held() const noexcept { return stream_ != nullptr ? stream_->bytes_held() : 0; }

 private:
  void stop() noexcept {
    pump_ = Task<>::ready();
    tunnel_.reset();
  }
  Task<Result<void>> send_content(const Request& request);
  Task<> pump(const Request& request);
  Task<Result<void>> pump_all(const Request& request);
  Task<> answer_begins();
  Task<Result<size_t>> find_head(Monotonic deadline);

  std::unique_ptr<net::Stream> stream_;
  ReceivedBody body_;
  Upload upload_;
  Timeouts timeouts_{};  // of the present exchange
  bool request_whole_ = false;
  bool keep_alive_ = false;
  bool answer_begun_ = false;
  bool answered_ = false;
  bool content_untouched_ = false;
  std::unique_ptr<Tunnel> tunnel_;
  Interims interims_;    // to the present request
  Result<void> pumped_;  // what came of the pump
  BesideUpload beside_pump_{pump_, pumped_};
  Task<> pump_ = Task<>::ready();  // last: destroyed first
};

}  // namespace sallyport::http::h1
