// Upload: a request's content on its way to a backend, which tells how long its client has kept the backend
// waiting, and can be given up for one who does not.
//
// Owned by the requester; one worker's thread.
#pragma once

#include "gateway/async/loop.h"
#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/http/body.h"

namespace sallyport::http {

class Upload {
 public:
  void begin() noexcept;
  // body.pull(); request_timeout (slow_sender) if it is given up.
  Task<Result<Slice>> pull(Loop& loop, Body& body);
  // Since when the client would have kept the backend waiting, had it done so at one go; what it has sent
  // makes up for time at `makes_up` a second, so that neither a trickle looks busy nor a steady client idle.
  // The end of time while nobody waits for it.
  Monotonic stalled_since() const noexcept { return since_ == Monotonic::max() ? since_ : since_ - stalled_; }
  // Resumes whoever waits for the client; a pull that comes later hears of it, too.
  void give_up() { given_up_.set(); }

 private:
  static constexpr size_t makes_up = 16 * 1024;

  Task<Result<Slice>> wait(Loop& loop, Task<Result<Slice>> pending);
  Task<> until_given_up();
  void made_up(const Result<Slice>& piece) noexcept;

  Event given_up_;
  Monotonic since_ = Monotonic::max();  // of the present wait
  Duration stalled_{};                  // of those before it
};

}  // namespace sallyport::http
