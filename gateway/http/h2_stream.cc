#include "gateway/http/h2_stream.h"

#include <algorithm>
#include <utility>

#include "gateway/http/h2_session.h"

namespace sallyport::http::h2 {
namespace {

// Bytes that a peer takes within its time, or it is too slow.
constexpr size_t share_min = 4096;

}  // namespace

Stream::Stream(Session& session, int32_t id, Code bad_trailers) noexcept
    : session_(session),
      id_(id),
      bad_trailers_(bad_trailers),
      arrived_(session.stream_.loop().blocks()),
      kept_(session.stream_.loop().blocks()),
      given_(session.stream_.loop().blocks()) {}

Stream::~Stream() {
  session_.consumed(*this, arrived_.size() + given_.size());
  session_.forget(*this);
}

Loop& Stream::loop() const noexcept { return session_.stream_.loop(); }

// --- content that arrives

void Stream::arrived(Slice content) {
  received_ += content.size();
  arrived_.append(content);
  session_.bound_reserved(*this);
}

void Stream::drop_arrived() {
  session_.consumed(*this, arrived_.size());
  arrived_.release();
}

void Stream::drop_given() {
  session_.consumed(*this, given_.size());
  given_.release();
  session_.bound_reserved(*this);
}

Slice Stream::give_arrived() noexcept {
  std::swap(given_, arrived_);
  pulled_ += given_.size();
  session_.guard_.content_pulled(given_.size());
  return given_.readable();
}

Result<Slice> Stream::end_of_content() const {
  if (trailers_.too_large()) return fail(bad_trailers_, "trailers_too_large", "the trailers are too large");
  return Slice{};
}

Task<Result<Slice>> Stream::pull() {
  if (!given_.empty()) drop_given();
  if (!arrived_.empty()) return Task<Result<Slice>>::ready(give_arrived());
  if (input_ended_) return Task<Result<Slice>>::ready(end_of_content());
  return wait_for_content();
}

// All of the content may be there, and trailers still to come. The end of faulty ones must be pulled.
std::optional<uint64_t> Stream::remaining() const noexcept {
  if (trailers_.too_large()) return std::nullopt;
  if (input_ended_) return arrived_.size();
  if (length_.kind != BodyLength::Kind::counted || length_.bytes <= pulled_) return std::nullopt;
  return length_.bytes - pulled_;
}

// --- content that leaves

Slice Stream::take(size_t most) noexcept {
  const Slice taken = piece_.substr(0, most);
  piece_.remove_prefix(taken.size());
  return taken;
}

void Stream::offer(Slice piece, bool last, const Headers* trailers) {
  kept_.release();
  piece_ = piece;
  last_ = last;
  trailers_out_ = trailers;
  sent_ += piece.size();
  session_.resume(*this);
  if (piece_.empty()) return;
  kept_.append(piece_);
  piece_ = kept_.readable();
}

// A share of the connection is enough, but a trickle does not hold the other side.
Task<bool> Stream::taken(Duration silence) {
  while (!piece_.empty() && !closed_) {
    const size_t before = piece_.size();
    const bool told = co_await wait(writer_, loop().now() + silence);
    if (!told && !piece_.empty() && before - piece_.size() < share_min) co_return false;
  }
  co_return true;
}

// --- waiting

Task<bool> Stream::wait(WaitUntil*& slot, Monotonic deadline) {
  WaitUntil until(loop(), deadline);
  const WaitSlot here(slot, until);
  co_return co_await until;
}

void Stream::wake() {
  if (reader_ != nullptr && (!arrived_.empty() || input_ended_)) reader_->notify();
  if (writer_ != nullptr && (piece_.empty() || end_sent_)) writer_->notify();
}

}  // namespace sallyport::http::h2
