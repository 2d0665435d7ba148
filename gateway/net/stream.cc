#include "gateway/net/stream.h"

#include <utility>

namespace sallyport::net {
namespace {

// What has only begun to come takes no more than it needs while memory is asked for.
void fit(Buffer& input, BlockPool& blocks) {
  const size_t capacity = input.capacity();
  if (capacity == BlockPool::small_bytes || input.size() > capacity / 2) return;
  if (blocks.pressure() == Pressure::none) return;
  Buffer fitting(blocks);
  fitting.append(input.readable());
  input = std::move(fitting);
}

}  // namespace

Stream::Waiter Stream::more(Monotonic deadline) { return {*this, deadline}; }
Stream::Drained Stream::drained(Monotonic deadline) { return {*this, deadline}; }

Stream::~Stream() {
  if (reader_ != nullptr) reader_->abandon();
  if (writer_ != nullptr) writer_->abandon();
}

Result<void> Stream::write_last(std::span<const Slice> pieces) {
  Result<void> written = write(pieces);
  if (written) close_output();
  return written;
}

void Stream::input_grew() {
  if (reader_ == nullptr) return;
  reader_->grew_ = true;
  std::exchange(reader_, nullptr)->resume();
}

void Stream::input_ended() {
  ended_ = true;
  if (reader_ != nullptr) {
    std::exchange(reader_, nullptr)->resume();
  } else if (owner_ != nullptr) {
    owner_->stream_ended();
  }
}

void Stream::output_drained() {
  if (writer_ != nullptr) std::exchange(writer_, nullptr)->resume();
}

void Stream::note_failure(Error error) {
  if (broken()) return;
  status_ = std::unexpected(std::move(error));
  if (writer_ != nullptr) writer_->resume_soon();
}

void Stream::failed(Error error, bool grew) {
  if (broken()) return;
  status_ = std::unexpected(std::move(error));
  if (reader_ != nullptr) {
    if (writer_ != nullptr) writer_->resume_soon();  // not behind the reader: the stream may be gone by then
    reader_->grew_ = grew;
    std::exchange(reader_, nullptr)->resume();
  } else if (writer_ != nullptr) {
    std::exchange(writer_, nullptr)->resume();
  } else if (owner_ != nullptr) {
    std::exchange(owner_, nullptr)->stream_broke();
  }
}

Stream::Waiter::Waiter(Stream& stream, Monotonic deadline) noexcept
    : stream_(stream), timer_(stream.loop_, &Waiter::late, this), deadline_(deadline) {}

Stream::Waiter::~Waiter() {
  if (handle_ && stream_.reader_ == this) stream_.reader_ = nullptr;
}

bool Stream::Waiter::await_ready() {
  if (stream_.broken() || stream_.ended_) return true;
  const size_t before = stream_.input_.size();
  if (before >= input_max) return true;
  stream_.want_input();
  grew_ = stream_.input_.size() > before;
  return grew_ || stream_.broken() || stream_.ended_;
}

void Stream::Waiter::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  stream_.reader_ = this;
  if (stream_.input_.empty()) {
    stream_.input_.release();  // others may need it while nothing comes
  } else {
    fit(stream_.input_, stream_.loop_.blocks());
  }
  timer_.arm(deadline_);
}

Result<bool> Stream::Waiter::await_resume() {
  if (late_) return fail(Code::timed_out, "timeout", "nothing arrived in time");
  if (grew_) return true;
  if (stream_.broken()) return std::unexpected(stream_.status_.error());
  if (stream_.ended_) return false;
  return fail(Code::internal, "input_full", "nobody consumed what had arrived");
}

void Stream::Waiter::resume() {
  timer_.disarm();
  std::exchange(handle_, nullptr).resume();
}

void Stream::Waiter::abandon() noexcept {
  timer_.disarm();
  handle_ = nullptr;
}

void Stream::Waiter::late(void* self) {
  auto* me = static_cast<Waiter*>(self);
  me->stream_.reader_ = nullptr;
  me->late_ = true;
  std::exchange(me->handle_, nullptr).resume();
}

Stream::Drained::Drained(Stream& stream, Monotonic deadline) noexcept
    : stream_(stream), timer_(stream.loop_, &Drained::late, this), deadline_(deadline) {}

Stream::Drained::~Drained() {
  if (handle_ && stream_.writer_ == this) stream_.writer_ = nullptr;
}

bool Stream::Drained::await_ready() const { return stream_.queued() == 0 || stream_.broken(); }

void Stream::Drained::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  stream_.writer_ = this;
  timer_.arm(deadline_);
}

Result<void> Stream::Drained::await_resume() {
  if (late_) return fail(Code::timed_out, "timeout", "the peer did not take what was sent in time");
  return stream_.status_;
}

void Stream::Drained::resume() {
  timer_.disarm();
  std::exchange(handle_, nullptr).resume();
}

void Stream::Drained::resume_soon() { timer_.arm(stream_.loop_.now()); }

void Stream::Drained::abandon() noexcept {
  timer_.disarm();
  handle_ = nullptr;
}

void Stream::Drained::late(void* self) {
  auto* me = static_cast<Drained*>(self);
  me->stream_.writer_ = nullptr;
  me->late_ = !me->stream_.broken();
  std::exchange(me->handle_, nullptr).resume();
}

}  // namespace sallyport::net
