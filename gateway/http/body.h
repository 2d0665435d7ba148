// Body: content as a pull stream. Nothing is read from a peer before somebody pulls: that is the
// back-pressure.
//
// One reader; one worker's thread. Owned by the connection or the exchange it belongs to.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "gateway/async/task.h"
#include "gateway/base/bytes.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"

namespace sallyport::http {

class Headers;

// Larger pieces are sent in parts of this, so that no more of them is queued for a client that does not read.
// What lies in a stream's input, and not in memory of its own, is never larger.
constexpr size_t piece_max = 64 * 1024;

class Body {
 public:
  virtual ~Body() = default;

  // The next piece, never empty before the end; an empty slice is the end. Valid until the next pull. After
  // an error or the end, the same is given again.
  virtual Task<Result<Slice>> pull() = 0;

  // The number of bytes still to come, if that is known before they are read; 0 only once it is certain that
  // nothing follows, trailers included.
  virtual std::optional<uint64_t> remaining() const noexcept = 0;

  // True if the next pull is certain to be done at once; false: nobody knows.
  virtual bool ready() const noexcept { return false; }

  // After the end: the fields that came behind the content (RFC 9110 section 6.5), for the next hop; they
  // live as long as the body. Null: there are none, or they are not kept.
  virtual const Headers* trailers() const noexcept { return nullptr; }

  // While a pull is awaited: what may stand behind all that was given, before the connection is cut; empty:
  // nothing.
  virtual Slice last_words() const noexcept { return {}; }
};

// Whether a client sends its content too slowly: only the time counts in which somebody waits for it.
class Pace {
 public:
  static constexpr Duration grace = seconds(10);
  explicit Pace(uint64_t bytes_a_second = 0) noexcept : rate_(bytes_a_second) {}
  void waited(Duration time) noexcept { waited_ += time; }
  bool too_slow(uint64_t received) const noexcept {
    if (rate_ == 0 || waited_ <= grace) return false;
    return received / rate_ < static_cast<uint64_t>(std::chrono::duration_cast<seconds>(waited_).count());
  }

 private:
  uint64_t rate_;
  Duration waited_{};
};

// No content.
class EmptyBody final : public Body {
 public:
  Task<Result<Slice>> pull() override { return Task<Result<Slice>>::ready(Slice{}); }
  std::optional<uint64_t> remaining() const noexcept override { return 0; }
  bool ready() const noexcept override { return true; }
};

// Content that is in memory; whoever makes it keeps the bytes alive.
class MemoryBody final : public Body {
 public:
  MemoryBody() = default;
  explicit MemoryBody(Slice content) noexcept : content_(content) {}
  void reset(Slice content) noexcept { content_ = content; }
  Task<Result<Slice>> pull() override { return Task<Result<Slice>>::ready(std::exchange(content_, Slice{})); }
  std::optional<uint64_t> remaining() const noexcept override { return content_.size(); }
  bool ready() const noexcept override { return true; }

 private:
  Slice content_;
};

}  // namespace sallyport::http
