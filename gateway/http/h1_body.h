// ReceivedBody: the content of an HTTP/1.1 message, read from its connection as it is pulled. Both sides use
// it.
//
// Owned by the connection's codec; one worker's thread. A piece lies in the stream's input buffer: it is good
// until the reader next waits for anything.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/http/body.h"
#include "gateway/http/connection_options.h"
#include "gateway/http/framing.h"
#include "gateway/http/message.h"
#include "gateway/http/trailers.h"
#include "gateway/net/stream.h"

namespace sallyport::http::h1 {

class ReceivedBody final : public Body {
 public:
  // How transport failures are called on this side of the gateway.
  struct Faults {
    Code timed_out;
    Code broken;     // reset, or ended in the middle
    Code malformed;  // a broken chunk
  };
  ReceivedBody(net::Stream& stream, const Faults& faults) noexcept : stream_(stream), faults_(faults) {}

  // Gets ready for a message of that length; `silence` is how long one wait for more bytes may take.
  // pace: at what rate it must come.
  void begin(BodyLength length, Duration silence, Pace pace = Pace()) noexcept;
  void set_silence(Duration silence) noexcept { silence_ = silence; }  // from the next wait on
  // Keeps the trailers of this response, in the arena, but for those that Connection names (RFC 9110 section
  // 7.6.1); without it they are checked and dropped.
  void keep_trailers(Arena& arena, const Headers& head);
  // Whoever was to have them has them: their memory is given back, and the arena may go.
  void drop_trailers() noexcept;
  // If set, these bytes are sent before the first wait for content ("HTTP/1.1 100 Continue").
  void invite(Slice bytes) noexcept { invitation_ = bytes; }

  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override;
  // Of chunks only a pull can tell.
  bool ready() const noexcept override {
    return state_ != State::reading ||
           (length_.kind != BodyLength::Kind::chunked && !stream_.input().empty());
  }
  const Headers* trailers() const noexcept override { return finished() ? &trailers_.fields() : nullptr; }

  bool finished() const noexcept { return state_ == State::end; }
  // Whoever reads has all that has come, and there is more to come.
  bool is_awaited() const noexcept { return state_ == State::reading && asked_; }
  // When the last piece, or the end, was there for whoever reads; the end of time while more is awaited.
  Monotonic untouched_since() const noexcept { return is_awaited() ? Monotonic::max() : given_at_; }
  // The stream goes away: whoever asks for more gets the error. All of it may have been given, then nothing
  // is lost.
  void abandon(Error error) noexcept;
  bool invitation_pending() const noexcept { return !invitation_.empty(); }
  uint64_t received() const noexcept { return received_; }

 private:
  enum class State : uint8_t { reading, end, failed };

  // A piece out of what has arrived; empty while there is none and the end is not reached.
  Result<Slice> take();
  Result<Slice> take_counted();
  Result<Slice> take_chunked();
  void keep_trailer(Slice line);
  Task<Result<Slice>> wait();
  std::unexpected<Error> failed(Error error);

  net::Stream& stream_;
  Faults faults_;
  State state_ = State::end;
  BodyLength length_;
  uint64_t left_ = 0;
  uint64_t received_ = 0;
  bool asked_ = true;
  Monotonic given_at_{};
  Duration silence_{};
  Pace pace_;
  Slice invitation_;
  ChunkedReader chunks_;
  Arena* arena_ = nullptr;  // where the trailers are kept, if they are
  ConnectionOptions of_one_hop_;
  Trailers trailers_;
  Error error_;
};

// Writes a piece of content, in chunked coding if that is its framing, behind a head that may be empty; all
// in one write. `last` ends the content, and `close` our sending as well. end: the last chunk, with what
// trailers follow it.
constexpr Slice last_chunk = "0\r\n\r\n";
Result<void> write_content(net::Stream& to, BodyLength::Kind framing, Slice head, Slice piece, bool last,
                           bool close = false, Slice end = last_chunk);

}  // namespace sallyport::http::h1
