// MemoryStream: a Stream without a network, for tests of what stands on Streams: they put bytes in and look
// at what was written. One thread.
#pragma once

#include <string>

#include "gateway/net/stream.h"

namespace sallyport::test {

class MemoryStream final : public net::Stream {
 public:
  explicit MemoryStream(Loop& loop) : net::Stream(loop) {}

  // The other side. Each but the last two resumes whoever waits, and may therefore destroy the stream.
  void feed(Slice bytes);  // arrives; what input() has no room for waits outside
  void end(bool truncated = false);
  void break_off(Error error);  // what has not arrived by then is lost
  // Nothing more can be written, as is found when that is tried; what the peer has said before waits outside.
  void lose_output(Error error, Slice last_words);
  // While held, what is written counts as queued; letting go sends it all.
  void hold_output(bool held);
  std::string take_written();  // what was written since the last call
  bool output_closed() const noexcept { return output_closed_; }
  int acknowledged() const noexcept { return acknowledged_; }  // how often that was asked for

  Result<void> write(std::span<const Slice> pieces) override;
  size_t queued() const noexcept override { return queued_; }
  void close_output() override { output_closed_ = true; }
  void acknowledge_now() noexcept override { ++acknowledged_; }

 private:
  void want_input() override { arrive(); }
  bool arrive();  // true if input() has grown

  std::string outside_;  // sent, not arrived
  std::string written_;
  Result<void> output_;
  size_t queued_ = 0;
  int acknowledged_ = 0;
  bool end_outside_ = false;
  bool cut_short_ = false;
  bool held_ = false;
  bool output_closed_ = false;
};

}  // namespace sallyport::test
