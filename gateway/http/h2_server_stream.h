// ServerStream: one request of a client's HTTP/2 connection and its answer, as everybody behind it sees them:
// a Body that is pulled and a Responder.
//
// Owned by the session's owner, who destroys it with the work that it is for. One worker's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/http/h2_stream.h"
#include "gateway/http/responder.h"

namespace sallyport::http::h2 {

class ServerSession;

class ServerStream final : public Stream, public Responder {
 public:
  // owner: for whoever made it.
  ServerStream(ServerSession& session, int32_t id, void* owner) noexcept;

  // Before anything else: where the head goes. Both live as long as the stream is used.
  void read_into(Arena& arena, Request& request) noexcept;

  Task<Result<void>> respond(const Request& request, Response& response) override;
  void interim(const Request& request, const Response& response) override;
  Body& open_tunnel() override;
  bool head_sent() const noexcept override { return head_sent_; }
  uint64_t content_received() const noexcept override { return received_; }
  uint64_t content_sent() const noexcept override { return sent_; }
  // Also where a tunnel is left to a client that has ended.
  bool waits_for_reader() const noexcept {
    return Stream::waits_for_reader() || (in_tunnel_ && input_ended_);
  }

  // The work is over. What the client still sends behind a whole answer is read off for a while (linger.h),
  // because there are clients that take a reset for a failure; then it is told that nobody listens (RFC 9113
  // section 8.1).
  Task<> finish();
  // The connection is about to be cut: what the answer still has to say is its end.
  void say_last_words(const Response& response);
  // Resets it for the sake of others (RFC 9113 section 7, ENHANCE_YOUR_CALM).
  void give_way();
  void* owner() const noexcept { return owner_; }

 private:
  void send_interim(const Response& response);
  friend class ServerSession;

  void field(Slice name, Slice value) override;
  void fields_end(bool ended) override;
  Task<Result<Slice>> wait_for_content() override;

  Result<void> submit(const Response& response, bool content);
  Task<Result<void>> send_content(Response& response);
  Task<Result<void>> wait_until_ended();
  Result<void> too_slow();
  Task<> read_off();
  void reset_unless_ended();
  bool has_room() const noexcept;
  bool ends_behind_request(const Request& request, int status) const noexcept;

  ServerSession& server_;
  void* const owner_;
  Request* request_ = nullptr;
  RequestHead head_;
  std::optional<Result<void>> head_read_;  // and the owner has not heard of it yet
  bool head_whole_ = false;
  bool in_tunnel_ = false;
  bool invited_ = false;  // 100 Continue has been sent
  bool head_sent_ = false;
  bool waits_for_content_ = false;  // of the answer
  bool end_held_ = false;           // END_STREAM goes out once the request's has come, or a while has passed
  Pace pace_;
};

}  // namespace sallyport::http::h2
