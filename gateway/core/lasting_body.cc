#include "gateway/core/lasting_body.h"

#include <utility>

#include "gateway/async/signal.h"
#include "gateway/core/exchange.h"

namespace sallyport {
namespace {

Task<> until(Loop& loop, Monotonic when) {
  WaitUntil time(loop, when);
  co_await time;
}

}  // namespace

void LastingBody::begin(Exchange& x, http::Body& inner, bool in_order) noexcept {
  x_ = &x;
  inner_ = &inner;
  recheck_ = http::Recheck(x.loop.now());
  in_order_ = in_order;
  cut_off_ = false;
}

bool LastingBody::is_allowed() {
  cut_off_ = !recheck_.passes(x_->loop.now(), [this] { return x_->still_allowed(); });
  return !cut_off_;
}

Result<Slice> LastingBody::end() const {
  if (in_order_) return Slice{};
  return fail(Code::bad_credentials, x_->notes.reason, "what the caller was let in with has ended");
}

Task<Result<Slice>> LastingBody::pull() {
  if (!is_allowed()) return Task<Result<Slice>>::ready(end());
  Task<Result<Slice>> pending = inner_->pull();
  if (pending.done()) return pending;
  return wait(std::move(pending));
}

// A pull that is given up loses nothing: nobody reads on.
Task<Result<Slice>> LastingBody::wait(Task<Result<Slice>> pending) {
  while (!pending.done()) {
    Task<> time = until(x_->loop, recheck_.next());
    co_await FirstOf(pending, time);
    if (!pending.done() && !is_allowed()) co_return end();
  }
  co_return pending.take();
}

}  // namespace sallyport
