#include "tests/unit/http/memory_stream.h"

#include <algorithm>
#include <utility>

namespace sallyport::test {

bool MemoryStream::arrive() {
  const size_t count = std::min(outside_.size(), input_max - std::min(input_.size(), input_max));
  input_.append(Slice(outside_).substr(0, count));
  outside_.erase(0, count);
  if (end_outside_ && outside_.empty()) {
    ended_ = true;
    truncated_ = cut_short_;
  }
  return count > 0;
}

void MemoryStream::feed(Slice bytes) {
  outside_.append(bytes);
  if (arrive()) input_grew();
}

void MemoryStream::end(bool truncated) {
  end_outside_ = true;
  cut_short_ = truncated;
  arrive();
  if (ended_) input_ended();
}

void MemoryStream::break_off(Error error) {
  outside_.clear();
  failed(std::move(error));
}

void MemoryStream::lose_output(Error error, Slice last_words) {
  output_ = std::unexpected(std::move(error));
  outside_.append(last_words);
}

void MemoryStream::hold_output(bool held) {
  held_ = held;
  if (held || std::exchange(queued_, 0) == 0) return;
  output_drained();
}

std::string MemoryStream::take_written() { return std::exchange(written_, {}); }

Result<void> MemoryStream::write(std::span<const Slice> pieces) {
  if (broken()) return status_;
  if (!output_) return output_;
  if (output_closed_) return fail(Code::connection_reset, "output_closed", "this side has ended its sending");
  for (Slice piece : pieces) {
    written_.append(piece);
    if (held_) queued_ += piece.size();
  }
  return {};
}

}  // namespace sallyport::test
