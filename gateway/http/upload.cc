#include "gateway/http/upload.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {
namespace {

std::unexpected<Error> slow_sender() {
  return fail(Code::request_timeout, "slow_sender",
              "the content came too slowly, and others wait for the connection to the backend");
}

}  // namespace

void Upload::begin() noexcept {
  given_up_.reset();
  since_ = Monotonic::max();
  stalled_ = {};
}

Task<Result<Slice>> Upload::pull(Loop& loop, Body& body) {
  if (given_up_.is_set()) return Task<Result<Slice>>::ready(slow_sender());
  Task<Result<Slice>> pending = body.pull();
  if (!pending.done()) return wait(loop, std::move(pending));
  if (stalled_ == Duration::zero()) return pending;
  Result<Slice> piece = pending.take();
  made_up(piece);
  return Task<Result<Slice>>::ready(std::move(piece));
}

// A pull that is given up loses nothing: nobody reads on.
Task<Result<Slice>> Upload::wait(Loop& loop, Task<Result<Slice>> pending) {
  since_ = loop.now();
  Task<> given_up = until_given_up();
  co_await FirstOf(pending, given_up);
  stalled_ += loop.now() - std::exchange(since_, Monotonic::max());
  if (!pending.done()) co_return slow_sender();
  Result<Slice> piece = pending.take();
  made_up(piece);
  co_return piece;
}

Task<> Upload::until_given_up() { co_await given_up_.wait(); }

void Upload::made_up(const Result<Slice>& piece) noexcept {
  if (!piece) return;
  const Duration worth = seconds(1) * piece->size() / makes_up;
  stalled_ = std::max(stalled_ - worth, Duration::zero());
}

Body& BesideUpload::begin(Body& answer) noexcept {
  answer_ = &answer;
  return *this;
}

// An answer that is whole is given all the same.
bool BesideUpload::broken_off() const noexcept {
  return !uploaded_ && side_of(uploaded_.error().code) == Side::client && answer_->remaining() != 0;
}

Task<Result<Slice>> BesideUpload::pull() {
  if (broken_off()) return Task<Result<Slice>>::ready(std::unexpected(uploaded_.error()));
  Task<Result<Slice>> pending = answer_->pull();
  if (pending.done() || upload_.done()) return pending;
  return wait(std::move(pending));
}

Task<Result<Slice>> BesideUpload::wait(Task<Result<Slice>> pending) {
  co_await FirstOf(pending, upload_);
  if (!pending.done() && broken_off()) {
    pending = Task<Result<Slice>>::ready(Slice{});  // it waits no more, before anything of it goes
    co_return std::unexpected(uploaded_.error());
  }
  co_return co_await pending;
}

}  // namespace sallyport::http
