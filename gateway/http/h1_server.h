// ServerConnection: HTTP/1.1 towards a client: reads requests off a stream one after the other and answers
// them.
//
// Owned by the connection, which outlives nothing of it; one worker's thread. Pipelined requests wait in the
// stream's input until their turn.
#pragma once

#include <cstdint>

#include "gateway/base/arena.h"
#include "gateway/http/framing.h"
#include "gateway/http/h1_body.h"
#include "gateway/http/responder.h"
#include "gateway/http/server_limits.h"
#include "gateway/net/stream.h"

namespace sallyport::http::h1 {

class ServerConnection final : public Responder {
 public:
  ServerConnection(net::Stream& stream, const ServerLimits& limits) noexcept;

  // Waits until a request begins to arrive: false if the client ended, left or stayed silent (just close).
  Task<bool> wait_for_request();
  // Reads the head (all of it is copied to the arena) and gets request.body ready. An error is to be
  // answered, but for client_gone. Afterwards the connection may be used for one respond().
  Task<Result<void>> read_request(Arena& arena, Request& request);

  Task<Result<void>> respond(const Request& request, Response& response) override;
  void interim(const Request& request, const Response& response) override;
  Body& open_tunnel() override;
  uint64_t content_received() const noexcept override { return body_.received(); }
  uint64_t content_sent() const noexcept override { return sent_; }
  bool client_ended() const noexcept override { return stream_.ended(); }
  bool head_sent() const noexcept override { return head_sent_; }
  // Whom the present request waits for, if it is the client: also where a tunnel is left to one that has
  // ended.
  bool waits_for_reader() const noexcept { return stream_.queued() > 0 || (in_tunnel_ && client_ended()); }
  bool waits_for_sender() const noexcept { return waits_for_head_ || body_.is_awaited(); }
  bool waits_for_head() const noexcept { return waits_for_head_; }
  // The answer has begun, and its content is waited for.
  bool waits_for_content() const noexcept { return waits_for_content_; }

  // After respond(): reads off what little content the answer did not wait for, while it comes. True if
  // another request may follow.
  Task<bool> finish();
  // The connection is about to be cut: what the present answer still has to say goes out, if it can at once.
  void say_last_words(const Response& response);
  // The present answer is the last one of this connection.
  void close_after_this() noexcept { closing_ = true; }

 private:
  bool may_go_on(const Request& request) const noexcept;
  Task<Result<void>> send_content(Response& response);
  Task<Result<void>> taken();
  Result<void> flush_head(bool close);
  Result<void> write_piece(const Response& response, Slice piece, bool last);
  Slice last_chunk_of(const Response& response);

  net::Stream& stream_;
  const ServerLimits& limits_;
  ReceivedBody body_;
  Buffer head_;
  Buffer end_;  // the last chunk, if there is something behind it
  uint64_t sent_ = 0;
  bool first_ = true;
  bool head_sent_ = false;
  bool in_tunnel_ = false;  // for good
  bool waits_for_head_ = false;
  bool waits_for_content_ = false;
  bool keep_alive_ = false;
  bool takes_trailers_ = false;
  bool closing_ = false;
};

}  // namespace sallyport::http::h1
