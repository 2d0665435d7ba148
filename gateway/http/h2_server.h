// ServerSession: HTTP/2 towards a client (RFC 9113, nghttp2), over a stream that is up: frames in and out,
// and a ServerStream for each request.
//
// Owned by the connection, as long as the stream; one worker's thread. What is to be sent is gathered and
// leaves in one write at the end of the loop's turn; while the client does not take it, nothing more is made.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "gateway/async/loop.h"
#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/base/list.h"
#include "gateway/http/h2_guard.h"
#include "gateway/http/h2_stream.h"
#include "gateway/http/server_limits.h"
#include "gateway/net/stream.h"

struct nghttp2_session;

namespace sallyport::http::h2 {

// True if these bytes begin as an HTTP/2 connection does (RFC 9113 section 3.4), as far as they go.
bool is_preface(Slice bytes) noexcept;
constexpr size_t preface_bytes = 24;

class ServerSession final : private TurnEnd {
 public:
  // Whoever serves the requests. Called on the loop, from no coroutine of a stream.
  class Owner {
   public:
    // A request begins: makes its stream. The owner keeps it until closed(), or until its work is over.
    virtual ServerStream& begin(int32_t id) = 0;
    // Its head is there, or an error that is to be answered.
    virtual void serve(ServerStream& stream, Result<void> head) = 0;
    // The stream is gone: what still works for it is to be cancelled.
    virtual void closed(ServerStream& stream) = 0;

   protected:
    ~Owner() = default;
  };

  ServerSession(net::Stream& stream, const ServerLimits& limits, Owner& owner);
  ServerSession(const ServerSession&) = delete;
  ~ServerSession();  // after all its streams

  // Until the connection is to be closed: the client has left, was silent for too long, or broke the rules
  // and has been told so.
  Task<> run();
  // No new requests from here on; run() ends with the last one.
  void drain();
  // Why the connection was ended, a slug: empty for a client that left in order.
  std::string_view ended_by() const noexcept { return ended_by_; }

 private:
  friend class ServerStream;
  struct Callbacks;  // what nghttp2 calls

  // --- for the streams
  void schedule() { stream_.loop().before_wait(*this); }
  // Takes of the stream's piece what fits now.
  void resume(const ServerStream& stream);
  void submit(ServerStream& stream, const Response& response, bool content);
  void submit_interim(const ServerStream& stream, const Response& response);
  void reset(const ServerStream& stream, uint32_t code);
  void consumed(const ServerStream& stream, size_t bytes);
  void forget(ServerStream& stream) noexcept;
  void note(ServerStream& stream) noexcept {
    if (!stream.noted_.linked()) noted_.push_back(stream.noted_);
  }

  void at_turn_end() override;
  Task<> read();
  Task<> wait_for_close();
  void feed();
  bool gather();
  void flush();
  void wake_streams();
  bool is_done() const noexcept;
  bool is_silent_too_long() noexcept;
  Monotonic look_again() const noexcept;
  void end(std::string_view why, uint32_t code);
  Task<> wait_for_room();

  net::Stream& stream_;
  const ServerLimits& limits_;
  Owner& owner_;
  nghttp2_session* session_ = nullptr;
  FrameGuard guard_;
  List<ServerStream::Noted> noted_;  // something has happened to these streams
  Buffer out_;
  size_t block_bytes_ = 0;  // of the header block that is being read, as a list
  size_t streams_ = 0;      // that nghttp2 has open
  Monotonic quiet_since_;   // nothing has come and no stream has ended
  std::string_view ended_by_;
  bool draining_ = false;
  bool ended_ = false;
  bool congested_ = false;
  bool unsendable_ = false;  // a write has failed
  Event close_;
  std::unique_ptr<FieldList> fields_;  // kept for its memory
  Task<> room_ = Task<>::ready();      // last: destroyed first
};

}  // namespace sallyport::http::h2
