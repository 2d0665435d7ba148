// LastingBody: content whose end nobody knows, of an answer or of a request, for a caller who is not allowed
// for ever: a token expires, a key is revoked. Asked about once a second, also while whoever sends it is
// silent; what is over before that pays a comparison a piece.
//
// Owned by the exchange; one worker's thread.
#pragma once

#include <optional>

#include "gateway/async/loop.h"
#include "gateway/http/body.h"
#include "gateway/http/recheck.h"

namespace sallyport {

class Exchange;

class LastingBody final : public http::Body {
 public:
  // in_order: when it ends early, it ends like a whole one. For what a client takes up again by itself; all
  // else breaks off, or half of it would be taken for all.
  void begin(Exchange& x, http::Body& inner, bool in_order) noexcept;

  void clear() noexcept { *this = LastingBody(); }
  // True once it has ended because of the caller.
  bool cut_off() const noexcept { return cut_off_; }

  // Of its own errors: bad_credentials.
  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override { return inner_->remaining(); }
  bool ready() const noexcept override { return inner_->ready(); }
  const http::Headers* trailers() const noexcept override { return inner_->trailers(); }

 private:
  bool is_allowed();
  Result<Slice> end() const;
  Task<Result<Slice>> wait(Task<Result<Slice>> pending);

  Exchange* x_ = nullptr;
  http::Body* inner_ = nullptr;
  http::Recheck recheck_;
  bool in_order_ = false;
  bool cut_off_ = false;
};

}  // namespace sallyport
