// Upload: a request's content on its way to a backend, which tells how long its client has kept the backend
// waiting, and can be given up for one who does not.
//
// Owned by the requester; one worker's thread.
#pragma once

#include <cstdint>
#include <optional>

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

// An answer's content while that of its request is still on its way: it breaks off where the client does not
// send the rest as it should, for the backend then works on half a request.
class BesideUpload final : public Body {
 public:
  // The task that sends the content, and what came of it; both outlive this.
  BesideUpload(Task<>& upload, const Result<void>& uploaded) noexcept
      : upload_(upload), uploaded_(uploaded) {}
  Body& begin(Body& answer) noexcept;

  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override { return answer_->remaining(); }
  bool ready() const noexcept override { return broken_off() || answer_->ready(); }
  const Headers* trailers() const noexcept override { return answer_->trailers(); }

 private:
  bool broken_off() const noexcept;
  Task<Result<Slice>> wait(Task<Result<Slice>> pending);

  Task<>& upload_;
  const Result<void>& uploaded_;
  Body* answer_ = nullptr;
};

}  // namespace sallyport::http
