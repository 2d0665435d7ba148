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
#include "gateway/http/tunnel.h"
#include "gateway/net/stream.h"

namespace sallyport::http::h1 {

class ClientConnection {
 public:
  struct Timeouts {
    Duration response;  // from the end of the request to the end of the response's head
    Duration body;      // silence in either direction while content is sent or read
    Duration events = std::chrono::minutes(5);  // the same of a text/event-stream, which is silent by nature
  };
  explicit ClientConnection(std::unique_ptr<net::Stream> stream) noexcept;

  // Sends the head and the content, pulled from request.body, until all of it is sent or the backend begins
  // to answer: then the rest goes on beside the answer, until over(). Errors: those of request.body as they
  // are; upstream_unreachable if the backend broke off (then `answered_nothing()` tells whether it may be
  // tried elsewhere); upstream_timeout if it does not take the content.
  Task<Result<void>> send(const Request& request, Slice host, const Timeouts& timeouts);

  // Reads the next response's head into the arena: an interim one (1xx, at most 8) or the final one, whose
  // response.body is then the stream of its content. Errors: upstream_timeout, upstream_bad_answer.
  // 101 is an answer only to a request with `upgrade`, and of that protocol.
  Task<Result<void>> read_response(const Request& request, const Timeouts& timeouts, Arena& arena,
                                   Response& response);
  // After 101: the rest of the connection, until over(). from_client lives as long.
  Body& tunnel(Body& from_client, TunnelLimits limits);

  // The exchange is over: nothing of its request or answer is touched any more.
  void over() noexcept {
    pump_ = Task<>::ready();
    tunnel_.reset();
  }
  // True if not a byte of an answer has arrived to the present request.
  bool answered_nothing() const noexcept { return !answered_; }
  // True if the request has content, and none of it has been pulled: the backend cannot have acted on it.
  bool content_untouched() const noexcept { return content_untouched_; }
  // True after a whole exchange over a connection that both sides keep: it may go back to the pool.
  bool reusable() const noexcept;
  // For one that rests in the pool: false once the backend has closed it, or sent something unasked.
  bool alive() const noexcept { return !stream_->ended() && !stream_->broken() && stream_->input().empty(); }
  net::Stream& stream() noexcept { return *stream_; }

 private:
  Task<Result<void>> send_content(const Request& request, const Timeouts& timeouts);
  Task<> pump(const Request& request, const Timeouts& timeouts);
  Task<Result<void>> pump_all(const Request& request, const Timeouts& timeouts);
  Task<> answer_begins();
  Task<Result<size_t>> find_head(Monotonic deadline);

  std::unique_ptr<net::Stream> stream_;
  ReceivedBody body_;
  bool request_whole_ = false;
  bool keep_alive_ = false;
  bool answered_ = false;
  bool content_untouched_ = false;
  std::unique_ptr<Tunnel> tunnel_;
  int interim_ = 0;                // responses to the present request
  Result<void> pumped_;            // what came of the pump
  Task<> pump_ = Task<>::ready();  // last: destroyed first
};

}  // namespace sallyport::http::h1
