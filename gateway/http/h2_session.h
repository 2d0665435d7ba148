// Session: what either end of an HTTP/2 connection does (RFC 9113, nghttp2): frames in and out, and a Stream
// for each request.
//
// Owned by the connection, as long as its net::Stream; one worker's thread. What is to be sent is gathered
// and leaves in one write at the end of the loop's turn; while the peer does not take it, nothing more is
// made. Nobody is resumed while nghttp2 is at work: what happens to a stream is noted, and told behind that.
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
#include "gateway/net/stream.h"

struct nghttp2_session;

namespace sallyport::http::h2 {

class Session : private TurnEnd {
 public:
  Session(const Session&) = delete;

  // Why the connection was ended, a slug: empty for a peer that left in order.
  std::string_view ended_by() const noexcept { return ended_by_; }

 protected:
  enum class Role : uint8_t { server, client };
  // Content that may be under way to us, and has to be kept if nobody reads it: what there is at first, and
  // what there is for long content, known or seen to be so, as long as there is memory enough.
  struct Window {
    int32_t narrow;
    int32_t wide;
  };
  struct Limits {
    size_t header_bytes;    // of a header list
    uint32_t streams;       // that the peer may have open
    Window window;          // of one stream
    int32_t of_all;         // of all of them, once the peer knows that of one
    Duration head_timeout;  // from the first byte of a header block to its last
    Duration write_timeout;
  };
  Session(net::Stream& stream, Role role, const Limits& limits);
  ~Session();  // after all its streams

  // From the frames, while nghttp2 is at work:
  // a request begins, of a server's: makes its stream, which lives until closed, or its work is over; null:
  // there is no room for it, and the client may try it again (REFUSED_STREAM, RFC 9113 section 8.7).
  virtual Stream* begin(int32_t id) = 0;
  virtual void settings_arrived() {}
  // The peer has seen all that was sent before the last PING.
  virtual void ping_answered() {}
  // Behind that: something has happened to the stream.
  virtual void tell(Stream& stream) = 0;
  // The last thing of a turn that something was sent or came in.
  virtual void turn_ended() = 0;

  // The earliest time at which a peer that is between two frames will have been silent for too long.
  virtual Monotonic idle_until() const noexcept { return Monotonic::max(); }

  // Takes what arrives until the peer leaves, or is silent for too long.
  Task<> read();

  bool is_done() const noexcept;  // nothing is to be read or sent any more
  bool is_sendable() const noexcept { return !unsendable_; }
  bool is_congested() const noexcept { return congested_; }
  void end(std::string_view why, uint32_t code);
  void flush();
  void schedule() { stream_.loop().before_wait(*this); }
  void wake_streams();
  void note(Stream& stream) noexcept {
    if (!stream.noted_.linked()) noted_.push_back(stream.noted_);
  }

  net::Stream& stream_;
  nghttp2_session* session_ = nullptr;
  FrameGuard guard_;
  size_t streams_ = 0;     // that are open
  Monotonic quiet_since_;  // nothing has come and no stream has ended
  Monotonic heard_at_;     // something came last
  std::string_view ended_by_;
  bool ended_ = false;
  bool leaving_ = false;               // the peer has sent GOAWAY
  uint32_t leaving_code_ = 0;          // of it (RFC 9113 section 7)
  std::unique_ptr<FieldList> fields_;  // kept for its memory

 private:
  friend class Stream;
  friend class ServerStream;
  friend class ClientStream;
  struct Callbacks;  // what nghttp2 calls

  // --- for the streams
  void resume(const Stream& stream);  // takes of the stream's piece what fits now
  void respond(Stream& stream, bool content);
  void request(Stream& stream, bool content);
  void interim(Stream& stream);
  void reset(const Stream& stream, uint32_t code);
  void consumed(Stream& stream, size_t bytes);
  void announced(Stream& stream);  // how long its content is
  void bound_reserved(Stream& stream) const noexcept;
  void forget(Stream& stream) noexcept;

  void bound_unread(const Stream& stream);
  void widen(Stream& stream, uint64_t known);

  void at_turn_end() override;
  Monotonic silent_until() const noexcept;
  void feed();
  bool gather();
  Task<> wait_for_room();

  const Window window_;
  const int32_t window_of_all_;
  const size_t list_bytes_max_;  // of any header list, however little of it is kept
  const Duration head_timeout_;
  const Duration write_timeout_;
  List<Stream::Noted> noted_;
  Buffer out_;
  size_t list_bytes_ = 0;      // of the one that is being read
  Stream* reading_ = nullptr;  // whose it is; null: nobody's any more
  bool congested_ = false;
  bool unsendable_ = false;        // a write has failed
  Task<> room_ = Task<>::ready();  // last: destroyed first
};

}  // namespace sallyport::http::h2
