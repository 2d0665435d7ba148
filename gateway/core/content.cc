#include "gateway/core/content.h"

#include <utility>

#include "gateway/core/exchange.h"

namespace sallyport {

namespace {

constexpr size_t kept_always = 4096;       // of a request's content, however short memory is
constexpr size_t kept_for_again = 16'384;  // of what has gone to a backend, which may ask for it elsewhere

}  // namespace

std::unexpected<Error> memory_full() {
  return fail(Code::overloaded, "memory_full",
              "the requests under way hold all the memory that they may (http.memory)");
}

std::unexpected<Error> content_too_large() {
  return fail(Code::body_too_large, "body_too_large", "the content is larger than this route takes");
}

void Content::begin() noexcept {
  if (x_.request.body == this) return;
  inner_ = std::exchange(x_.request.body, this);
}

http::Body*& Content::source() noexcept { return x_.request.body == this ? inner_ : x_.request.body; }

void Content::clear() noexcept {
  inner_ = nullptr;
  kept_.release();
  given_ = 0;
  came_ = 0;
  whole_ = cut_off_ = false;
  limits_.clear();
}

void Content::limit(uint64_t bytes_max, ContentLimiter& by) {
  limits_.push_back({bytes_max, &by, false});
  static_cast<void>(count(Slice{}));  // of what was read before
}

Result<Slice> Content::count(Result<Slice> piece) {
  if (!piece) return piece;
  came_ += piece->size();
  for (Limit& limit : limits_) {
    if (came_ > limit.bytes_max && !std::exchange(limit.told, true))
      cut_off_ = limit.by->exceeded(x_) || cut_off_;
  }
  if (cut_off_) return content_too_large();
  return piece;
}

Task<Result<Slice>> Content::read(size_t bytes_max) {
  if (!whole_ && !cut_off_) return read_rest(bytes_max);
  if (cut_off_ || kept_.size() > bytes_max) return Task<Result<Slice>>::ready(content_too_large());
  return Task<Result<Slice>>::ready(kept_.readable());
}

Task<Result<Slice>> Content::read_rest(size_t bytes_max) {
  while (!whole_) {
    if (kept_.size() > bytes_max) co_return content_too_large();
    Result<void> next = co_await keep_next();
    if (!next) co_return std::unexpected(std::move(next.error()));
  }
  using Kind = http::BodyLength::Kind;
  http::BodyLength& length = x_.request.length;
  if (length.kind != Kind::none) length = {Kind::counted, kept_.size()};  // now it is known
  co_return kept_.readable();
}

Task<Result<void>> Content::first() {
  if (whole_ || !kept_.empty()) return Task<Result<void>>::ready({});
  return keep_next();
}

// What has begun is let finish as long as it is small.
bool Content::may_keep_more() const noexcept {
  return kept_.size() < kept_always || x_.loop.blocks().pressure() != Pressure::full;
}

Task<Result<void>> Content::keep_next() {
  if (!may_keep_more()) return Task<Result<void>>::ready(memory_full());
  Task<Result<Slice>> pending = inner_->pull();
  if (pending.done()) return Task<Result<void>>::ready(keep(pending.take()));
  return wait_and_keep(std::move(pending));
}

Task<Result<void>> Content::wait_and_keep(Task<Result<Slice>> pending) {
  Result<Slice> piece = co_await pending;
  co_return keep(std::move(piece));
}

Result<void> Content::keep(Result<Slice> piece) {
  piece = count(std::move(piece));
  if (!piece) return std::unexpected(std::move(piece.error()));
  whole_ = piece->empty();
  kept_.append(*piece);
  return {};
}

bool Content::rewind() noexcept {
  if (came_ != kept_.size() || cut_off_) return false;
  given_ = 0;
  return true;
}

Task<Result<Slice>> Content::pull() {
  if (cut_off_) return Task<Result<Slice>>::ready(content_too_large());
  const Slice again = kept_.readable().substr(given_);
  given_ = kept_.size();
  if (!again.empty()) return Task<Result<Slice>>::ready(again);
  Task<Result<Slice>> pending = inner_->pull();
  if (pending.done()) return Task<Result<Slice>>::ready(passed_on(pending.take()));
  return wait(std::move(pending));
}

Task<Result<Slice>> Content::wait(Task<Result<Slice>> pending) {
  Result<Slice> piece = co_await pending;
  co_return passed_on(std::move(piece));
}

// A backend that leaves in order has not acted on what it got. Once more is gone than is kept, nothing can be
// given again: its memory goes back.
Result<Slice> Content::passed_on(Result<Slice> piece) {
  piece = count(std::move(piece));
  if (!piece || piece->empty()) return piece;
  const bool is_whole_so_far = came_ == kept_.size() + piece->size();
  if (is_whole_so_far && came_ <= kept_for_again && x_.loop.blocks().pressure() == Pressure::none) {
    kept_.append(*piece);
    given_ = kept_.size();
  } else {
    kept_.release();
    given_ = 0;
  }
  return piece;
}

// What was cut off is never at its end.
std::optional<uint64_t> Content::remaining() const noexcept {
  if (cut_off_) return std::nullopt;
  const std::optional<uint64_t> unread = inner_->remaining();
  if (!unread) return std::nullopt;
  return kept_.size() - given_ + *unread;
}

}  // namespace sallyport
