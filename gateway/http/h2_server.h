// ServerSession: HTTP/2 towards a client (RFC 9113), over a stream that is up.
//
// Owned by the connection; one worker's thread.
#pragma once

#include <cstdint>

#include "gateway/async/timer.h"
#include "gateway/http/h2_server_stream.h"
#include "gateway/http/h2_session.h"
#include "gateway/http/server_limits.h"

namespace sallyport::http::h2 {

// True if these bytes begin as an HTTP/2 connection does (RFC 9113 section 3.4), as far as they go.
bool is_preface(Slice bytes) noexcept;

class ServerSession final : public Session {
 public:
  // Whoever serves the requests. Called on the loop, from no coroutine of a stream.
  class Owner {
   public:
    // A request begins, beside `others`: makes its stream, which the owner keeps until closed(), or until its
    // work is over. Null: there is no room for it.
    virtual ServerStream* begin(int32_t id, size_t others) = 0;
    // Its head is there, or an error that is to be answered.
    virtual void serve(ServerStream& stream, Result<void> head) = 0;
    // The stream is gone: what still works for it is to be cancelled.
    virtual void closed(ServerStream& stream) = 0;

   protected:
    ~Owner() = default;
  };

  ServerSession(net::Stream& stream, const ServerLimits& limits, Owner& owner);

  // Until the connection is to be closed: the client has left, was silent for too long, or broke the rules
  // and has been told so.
  Task<> run();
  // The client is told to make no new requests, and those that it has made before it knew are served; run()
  // ends with the last one (RFC 9113 section 6.8).
  void drain();
  // The same, and a request that is not here yet is not served any more.
  void refuse_more();
  // What there is to send leaves now, as far as the client takes it, not when the turn ends.
  void send_now() { flush(); }

 private:
  friend class ServerStream;

  Stream* begin(int32_t id) override { return owner_.begin(id, streams_); }
  void tell(Stream& stream) override;
  void turn_ended() override;
  void ping_answered() override;
  Monotonic idle_until() const noexcept override;
  Task<> wait_for_close();

  const ServerLimits& limits_;
  Owner& owner_;
  Timer last_call_;  // while the client may not know yet that the connection ends
  bool draining_ = false;
  Event close_;
};

}  // namespace sallyport::http::h2
