#include "gateway/core/lasting_body.h"

#include <utility>

#include "gateway/async/signal.h"
#include "gateway/core/exchange.h"

namespace sallyport {
namespace {

constexpr Duration ask_every = seconds(1);

Task<> until(Loop& loop, Monotonic when) {
  WaitUntil time(loop, when);
  co_await time;
}

}  // namespace

void LastingBody::begin(Exchange& x, http::Body& inner, bool in_order) noexcept {
  x_ = &x;
  inner_ = &inner;
  ask_at_ = x.loop.now() + ask_every;
  in_order_ = in_order;
  allowed_ = true;
}

bool LastingBody::is_allowed() {
  const Monotonic now = x_->loop.now();
  if (!allowed_ || now < ask_at_) return allowed_;
  ask_at_ = now + ask_every;
  return allowed_ = x_->still_allowed();
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
    Task<> time = until(x_->loop, ask_at_);
    co_await FirstOf(pending, time);
    if (!pending.done() && !is_allowed()) co_return end();
  }
  co_return pending.take();
}

}  // namespace sallyport
