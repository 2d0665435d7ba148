// Standing: whom a request under way to a backend waits for, and from when on one that waits for its own
// client may be ended in favour of others that need its connection. Immutable; any thread.
#pragma once

#include "gateway/base/clock.h"

namespace sallyport::http {

struct Standing {
  enum class WaitsFor : uint8_t { content, backend, reader, either };  // either: it is a tunnel

  // Content that its client keeps the backend waiting for, all in all (upload.h): half of what one waits for
  // a connection by default.
  static constexpr Duration slow_sender_after = milliseconds(500);
  static constexpr Duration slow_reader_after = seconds(2);  // a piece of an answer that is not taken

  // since: when the wait for the client began; the end of time if it is the backend that is waited for.
  static Standing of_content(Monotonic since) noexcept {
    return of(WaitsFor::content, since, slow_sender_after);
  }
  static Standing of_answer(Monotonic since) noexcept {
    return of(WaitsFor::reader, since, slow_reader_after);
  }
  // An answer that has begun before its request is whole. A call may be silent for long while the other side
  // speaks: it has the patience that a reader has.
  static Standing of_both(Monotonic untouched_since, Monotonic stalled_since) noexcept {
    if (untouched_since != Monotonic::max()) return of_answer(untouched_since);
    return of(WaitsFor::content, stalled_since, slow_reader_after);
  }

  WaitsFor waits_for = WaitsFor::backend;
  Monotonic gives_way_at = Monotonic::max();

 private:
  static Standing of(WaitsFor whom, Monotonic since, Duration patience) noexcept {
    return since == Monotonic::max() ? Standing{} : Standing{whom, since + patience};
  }
};

}  // namespace sallyport::http
