// ServerStream: one request of an HTTP/2 connection and its answer, as everybody behind it sees them: a Body
// that is pulled and a Responder. The window is given back as the content is pulled: that is the
// back-pressure.
//
// Owned by the session's owner, who destroys it with the work that it is for, before the session. One
// worker's thread. Nobody is resumed while nghttp2 is at work: what happens is noted, and wake() tells of it
// behind that.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/async/signal.h"
#include "gateway/base/list.h"
#include "gateway/http/h2_message.h"
#include "gateway/http/responder.h"

namespace sallyport::http::h2 {

class ServerSession;

class ServerStream final : public Responder, public Body {
 public:
  // owner: for whoever made it.
  ServerStream(ServerSession& session, int32_t id, void* owner) noexcept;
  ServerStream(const ServerStream&) = delete;
  ~ServerStream() override;

  // Before anything else: where the head goes. Both live as long as the stream is used.
  void read_into(Arena& arena, Request& request) noexcept;

  Task<Result<void>> respond(const Request& request, Response& response) override;
  void interim(const Request& request, const Response& response) override;
  Body& open_tunnel() override { return *this; }
  bool head_sent() const noexcept override { return head_sent_; }
  uint64_t content_received() const noexcept override { return received_; }
  uint64_t content_sent() const noexcept override { return sent_; }

  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override;

  // The work is over. What the client still sends behind a whole answer is read off for a while (linger.h),
  // because there are clients that take a reset for a failure; then it is told that nobody listens (RFC 9113
  // section 8.1).
  Task<> finish();
  void* owner() const noexcept { return owner_; }

 private:
  friend class ServerSession;
  struct Noted : ListNode {
    explicit Noted(ServerStream& of) noexcept : stream(of) {}
    ServerStream& stream;
  };

  // --- what the session notes
  void arrived(Slice content);
  void request_ended() noexcept { request_ended_ = true; }
  // The next so many bytes of the answer.
  Slice take(size_t most) noexcept;
  void wake();

  void submit(const Response& response, bool content);
  Task<Result<void>> send_content(Response& response);
  Task<Result<void>> wait_until_taken();
  Task<Result<void>> wait_until_ended();
  Task<Result<Slice>> wait_for_content();
  Task<bool> wait(WaitUntil*& slot, Monotonic deadline);
  Result<void> too_slow();
  Slice give_arrived() noexcept;
  Task<> read_off();
  void reset_unless_ended();

  ServerSession& session_;
  const int32_t id_;
  void* const owner_;
  Arena* arena_ = nullptr;
  Request* request_ = nullptr;
  RequestHead head_;
  Noted noted_{*this};
  std::optional<Result<void>> head_read_;  // and the owner has not heard of it yet
  bool request_ended_ = false;             // END_STREAM has arrived
  bool closed_ = false;                    // nghttp2 has let go of it
  bool invited_ = false;                   // 100 Continue has been sent
  bool head_sent_ = false;
  bool last_ = false;      // piece_ is the end
  bool end_sent_ = false;  // END_STREAM has left
  Slice piece_;            // of the answer, not taken yet
  Buffer kept_;            // what piece_ is once it must outlast the turn
  Pace pace_;
  uint64_t received_ = 0, pulled_ = 0, sent_ = 0;
  Buffer arrived_;                                   // and not pulled
  Buffer given_;                                     // what the last pull gave
  WaitUntil *reader_ = nullptr, *writer_ = nullptr;  // who waits for content, and for it to be taken
};

}  // namespace sallyport::http::h2
