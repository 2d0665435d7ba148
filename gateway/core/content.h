// Content: a request's content on its way through the policies to the backend. Nothing is lost by looking:
// what was read is kept, and is given once more in front of what was not, whoever looked, in whatever order
// and with whatever bound.
//
// Owned by the exchange; one worker's thread. Policies read, each after the other; only then somebody pulls.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/base/small_pool.h"
#include "gateway/http/body.h"

namespace sallyport {

class Exchange;

// Whoever bounds the content of a request whose length nobody knows. Outlives the exchange.
class ContentLimiter {
 public:
  // The content has turned out to be larger. True: it is cut off here, and never passes; false: it goes on.
  virtual bool exceeded(Exchange& x) = 0;

 protected:
  ~ContentLimiter() = default;
};

// The worker's budget of memory is spent: nothing new is begun.
std::unexpected<Error> memory_full();
// The error of content beyond a bound.
std::unexpected<Error> content_too_large();

class Content final : public http::Body {
 public:
  Content(Exchange& x, BlockPool& pool) noexcept : x_(x), kept_(pool) {}

  // Stands in front of what the connection gives; afterwards the request's body is this.
  void begin() noexcept;
  // Where what the connection gives is named.
  http::Body*& source() noexcept;
  // Ready for another request; gives its memory back.
  void clear() noexcept;

  void limit(uint64_t bytes_max, ContentLimiter& by);
  // All of it, if these are at most bytes_max; body_too_large or memory_full otherwise, and nothing is lost.
  // Valid as long as the exchange.
  Task<Result<Slice>> read(size_t bytes_max);
  // Waits for the first piece, or the end, if nothing has been read yet. Errors: those of the connection,
  // and body_too_large.
  Task<Result<void>> first();
  // Starts over; false if some of it is gone.
  bool rewind() noexcept;
  bool cut_off() const noexcept { return cut_off_; }  // by a limiter
  size_t bytes_held() const noexcept { return kept_.capacity(); }

  Task<Result<Slice>> pull() override;
  std::optional<uint64_t> remaining() const noexcept override;
  bool ready() const noexcept override {
    return cut_off_ || whole_ || given_ < kept_.size() || inner_->ready();
  }
  const http::Headers* trailers() const noexcept override { return inner_->trailers(); }

 private:
  struct Limit {
    uint64_t bytes_max;
    ContentLimiter* by;
    bool told;
  };
  Task<Result<Slice>> wait(Task<Result<Slice>> pending);
  Result<Slice> count(Result<Slice> piece);
  Result<Slice> passed_on(Result<Slice> piece);
  bool may_keep_more() const noexcept;
  Task<Result<void>> keep_next();
  Task<Result<void>> wait_and_keep(Task<Result<Slice>> pending);
  Result<void> keep(Result<Slice> piece);
  Task<Result<Slice>> read_rest(size_t bytes_max);

  Exchange& x_;
  http::Body* inner_ = nullptr;
  Buffer kept_;         // what was read, until more than that has been pulled
  size_t given_ = 0;    // of it, again
  uint64_t came_ = 0;   // from the connection
  bool whole_ = false;  // all there is has been read
  bool cut_off_ = false;
  small_pool::Vector<Limit> limits_;
};

}  // namespace sallyport
