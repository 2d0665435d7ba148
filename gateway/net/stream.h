// Stream: a connection as a pair of byte streams; all that http, store and the upstreams see of a network.
//
// Bytes that arrive are put into input(); whoever reads consumes them there, without a copy. Reading stops by
// itself when input_max bytes wait, or fewer while nobody asks for more and the worker's memory is short:
// that is the back-pressure. At most one task reads and one writes at a time. Belongs to one worker;
// destroying it closes the connection at once (what is queued is lost: co_await drained() first).
#pragma once

#include <algorithm>
#include <coroutine>
#include <cstdint>
#include <span>
#include <string>

#include "gateway/async/loop.h"
#include "gateway/async/timer.h"
#include "gateway/base/bytes.h"
#include "gateway/base/error.h"

namespace sallyport::net {

// What an owner wants to hear of a connection while nobody waits for it.
class StreamOwner {
 public:
  // The connection broke (reset, TLS error). Called at most once, on the loop, from no coroutine of the
  // stream; the stream may be destroyed in it.
  virtual void stream_broke() = 0;
  // The peer has ended its sending in order: as stream_broke(). What came before that may still be unread.
  virtual void stream_ended() {}

 protected:
  ~StreamOwner() = default;
};

class Stream {
 public:
  static constexpr size_t input_max = 64 * 1024;

  virtual ~Stream();  // whoever still waits is never resumed
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Loop& loop() noexcept { return loop_; }
  // What has arrived and is not consumed.
  Buffer& input() noexcept { return input_; }

  class Waiter;
  // co_await more(deadline) → Result<bool>: waits until input() has grown: true; false once the peer has
  // ended its sending in order. Errors: timed_out, connection_reset, tls_failed, io. Ready at once if the end
  // is known. If input() is full (input_max), the caller must consume first (Error internal).
  Waiter more(Monotonic deadline);

  // Takes all the bytes: the socket first (one system call), what it refuses is queued. Errors as above.
  // The pieces go out in one write. Await drained() before the next big write: that bounds the queue.
  virtual Result<void> write(std::span<const Slice> pieces) = 0;
  Result<void> write(Slice piece) { return write(std::span<const Slice>(&piece, 1)); }
  // The same, and close_output() behind it, in one go where the transport can.
  virtual Result<void> write_last(std::span<const Slice> pieces);
  // co_await drained(deadline) → Result<void>: until nothing is queued; ready at once if so.
  class Drained;
  Drained drained(Monotonic deadline);
  virtual size_t queued() const noexcept = 0;
  // What it holds for what has arrived and what is to be sent, in bytes.
  virtual size_t bytes_held() const noexcept { return input_.capacity() + queued(); }

  // Ends our sending in order (close_notify, FIN) behind what is queued. Input goes on.
  virtual void close_output() = 0;
  // While set, destroying this resets the connection (RST), and what is queued or on its way may be lost: for
  // what must not look whole.
  virtual void reset_at_end(bool) noexcept {}
  // Acknowledges what has arrived now, not 40 ms later: for a peer that waits for it with its next bytes (RFC
  // 9293 section 3.7.4, Nagle's algorithm) while we wait for these. A system call.
  virtual void acknowledge_now() noexcept {}
  // Gives the buffers of an idle connection back to the worker's pool.
  virtual void rest() noexcept {
    if (input_.empty()) input_.release();
  }

  bool ended() const noexcept { return ended_; }  // the peer has ended its sending
  // It ended without the sign that this was all (TLS without close_notify): content that nothing but the end
  // delimits may have been cut short (RFC 9112 section 9.8).
  bool truncated() const noexcept { return truncated_; }
  bool broken() const noexcept { return !status_.has_value(); }  // nothing more can be sent or received
  void set_owner(StreamOwner* owner) noexcept { owner_ = owner; }

 protected:
  explicit Stream(Loop& loop) : loop_(loop), input_(loop.blocks()) {}

  // For the transports. Each resumes whoever waits, and may therefore destroy the stream: return at once
  // after it.
  void input_grew();
  void input_ended();
  void failed(Error error, bool grew = false);  // grew: bytes have come before that, and are told first
  // The same as failed() where the one who asks finds it out, and nobody may be resumed.
  void note_failure(Error error);
  void output_drained();
  bool has_reader() const noexcept { return reader_ != nullptr; }
  // So many bytes may wait in input_ now.
  size_t input_limit() const noexcept {
    return has_reader() ? input_max : std::min(input_max, loop_.blocks().bytes_ahead());
  }
  // Read again if that had stopped. May put bytes into input_ at once, or find the end, without resuming
  // anybody.
  virtual void want_input() = 0;

  Loop& loop_;
  Buffer input_;
  Result<void> status_;
  bool ended_ = false;
  bool truncated_ = false;

 private:
  friend class Waiter;
  friend class Drained;
  StreamOwner* owner_ = nullptr;
  Waiter* reader_ = nullptr;
  Drained* writer_ = nullptr;
};

class Stream::Waiter {
 public:
  Waiter(Stream& stream, Monotonic deadline) noexcept;
  Waiter(const Waiter&) = delete;
  ~Waiter();
  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Result<bool> await_resume();

 private:
  friend class Stream;
  void resume();
  void abandon() noexcept;  // the stream is going
  static void late(void* self);
  Stream& stream_;
  Timer timer_;
  Monotonic deadline_;
  std::coroutine_handle<> handle_ = nullptr;  // while it waits
  bool grew_ = false;
  bool late_ = false;
};

class Stream::Drained {
 public:
  Drained(Stream& stream, Monotonic deadline) noexcept;
  Drained(const Drained&) = delete;
  ~Drained();
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> handle);
  Result<void> await_resume();

 private:
  friend class Stream;
  void resume();
  void abandon() noexcept;  // the stream is going
  void resume_soon();       // once the callback that is under way is over
  static void late(void* self);
  Stream& stream_;
  Timer timer_;
  Monotonic deadline_;
  std::coroutine_handle<> handle_ = nullptr;  // while it waits
  bool late_ = false;
};

}  // namespace sallyport::net
