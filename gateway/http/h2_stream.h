// Stream: one request and its answer on an HTTP/2 connection, as either end has it: content that arrives as a
// Body that is pulled, content that leaves piece by piece. The window is given back as the content is pulled:
// that is the back-pressure.
//
// Owned by whoever made it, who destroys it before the session, and never while it is told of something. One
// worker's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/async/signal.h"
#include "gateway/base/arena.h"
#include "gateway/base/list.h"
#include "gateway/http/body.h"
#include "gateway/http/h2_message.h"
#include "gateway/http/trailers.h"

namespace sallyport::http::h2 {

class Session;

class Stream : public Body {
 public:
  Stream(const Stream&) = delete;

  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override;
  bool ready() const noexcept override { return input_ended_ || !arrived_.empty(); }
  const Headers* trailers() const noexcept override { return input_ended_ ? &trailers_.fields() : nullptr; }
  // Whom its work waits for, if it is the peer.
  bool waits_for_reader() const noexcept { return writer_ != nullptr; }
  bool waits_for_sender() const noexcept { return reader_ != nullptr && !input_ended_; }
  size_t bytes_held() const noexcept { return arrived_.capacity() + kept_.capacity() + given_.capacity(); }

 protected:
  // id: 0 until it has one. bad_trailers: what faulty ones are called on this side of the gateway.
  Stream(Session& session, int32_t id, Code bad_trailers) noexcept;
  ~Stream() override;
  Loop& loop() const noexcept;

  // --- what the session tells while nghttp2 is at work
  virtual void field(Slice name, Slice value) = 0;
  virtual void fields_end(bool ended) = 0;

  // --- content that arrives
  virtual Task<Result<Slice>> wait_for_content() = 0;
  void arrived(Slice content);
  Slice give_arrived() noexcept;
  Result<Slice> end_of_content() const;
  void drop_arrived();
  void drop_given();  // what the last pull gave is not looked at any more

  // --- content that leaves
  // The next piece of it, good until somebody reads again: what does not fit into the window now is copied.
  // The trailers go behind the last one, and live until that has left.
  void offer(Slice piece, bool last, const Headers* trailers);
  // The next so many bytes of it.
  Slice take(size_t most) noexcept;
  // True once the piece has been taken; false when less than a share of it was within the time.
  Task<bool> taken(Duration silence);

  // True if it was told, false after the time: for whoever may be destroyed while waiting.
  Task<bool> wait(WaitUntil*& slot, Monotonic deadline);
  // Resumes whoever waits for what has happened.
  virtual void wake();

  Session& session_;
  int32_t id_;
  const Code bad_trailers_;
  Arena* arena_ = nullptr;  // for heads and trailers
  Trailers trailers_;
  BodyLength length_;         // of what arrives, as its head has it
  bool input_ended_ = false;  // END_STREAM has arrived
  bool closed_ = false;       // nghttp2 has let go of it
  uint32_t close_code_ = 0;   // and why (RFC 9113 section 7)
  bool last_ = false;         // piece_ is the end
  bool end_sent_ = false;     // END_STREAM has left
  Slice piece_;               // of the content, not taken yet
  const Headers* trailers_out_ = nullptr;
  uint64_t received_ = 0, pulled_ = 0, sent_ = 0;
  uint32_t interims_ = 0;                            // heads of interim responses that wait to be sent
  size_t interim_bytes_ = 0;                         // of them
  Buffer arrived_;                                   // and not pulled
  WaitUntil *reader_ = nullptr, *writer_ = nullptr;  // who waits for content, and for it to be taken

 private:
  friend class Session;
  struct Noted : ListNode {
    explicit Noted(Stream& of) noexcept : stream(of) {}
    Stream& stream;
  };

  Noted noted_{*this};
  std::optional<Reservation> wide_;  // its window
  Buffer kept_;                      // what piece_ is once it must outlast the turn
  Buffer given_;                     // what the last pull gave
};

}  // namespace sallyport::http::h2
