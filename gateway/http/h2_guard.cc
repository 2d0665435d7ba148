#include "gateway/http/h2_guard.h"

#include <algorithm>

namespace sallyport::http::h2 {
namespace {

enum Type : uint8_t {  // RFC 9113 section 6
  data = 0,
  headers = 1,
  rst_stream = 3,
  window_update = 8,
  continuation = 9,
};
constexpr uint8_t end_stream = 0x1, end_headers = 0x4, padded = 0x8;
constexpr uint32_t protocol_error = 0x1, frame_size_error = 0x6, enhance_your_calm = 0xb;
constexpr size_t frame_bytes_max = 16'384;  // what our SETTINGS leave it at
constexpr uint32_t continuations_max = 16;  // of one block
constexpr size_t padding_max = 256;         // with the byte that says how much it is
constexpr size_t crumb_bytes_max = 4;       // not even the prefix of a gRPC message

Offence flood(std::string_view reason) noexcept { return {reason, enhance_your_calm}; }

}  // namespace

bool Budget::spend(Monotonic now) noexcept {
  if (filled_ == Monotonic{}) filled_ = now;
  if (left_ == 0) {  // what time has brought is looked at when it matters
    const auto passed = std::chrono::duration_cast<milliseconds>(now - filled_).count();
    const uint64_t earned =
        static_cast<uint64_t>(std::clamp<int64_t>(passed, 0, 60'000)) * per_second_ / 1000;
    if (earned == 0) return false;
    left_ = static_cast<uint32_t>(std::min<uint64_t>(earned, burst_));
    filled_ = now;
  }
  --left_;
  return true;
}

bool StreamIds::may_have_headers(uint32_t id) noexcept {
  if (id % 2 == 0) return true;  // no client's: nghttp2 refuses it
  if (id < next_)
    return std::ranges::none_of(gaps_, [&](const Gap& gap) { return gap.first <= id && id <= gap.last; });
  if (id > next_) gaps_[count_++ % gaps_.size()] = {next_, id - 2};
  next_ = id + 2;
  return true;
}

uint32_t FrameGuard::stream_id() const noexcept {
  return (uint32_t{header_[5]} << 24 | uint32_t{header_[6]} << 16 | uint32_t{header_[7]} << 8 | header_[8]) &
         0x7fff'ffff;
}

Offence FrameGuard::reset_sent(Monotonic now) noexcept {
  return resets_.spend(now) ? Offence{} : flood("reset_flood");
}

Offence FrameGuard::see(Slice bytes, Monotonic now) noexcept {
  const size_t preface = std::min(preface_left_, bytes.size());
  preface_left_ -= preface;
  bytes.remove_prefix(preface);
  while (!bytes.empty()) {
    const size_t payload = std::min(payload_left_, bytes.size());
    payload_left_ -= payload;
    bytes.remove_prefix(payload);
    if (have_ == 0 && !bytes.empty() && !in_block_) head_began_ = now;
    const size_t more = std::min(header_bytes - have_, bytes.size());
    std::copy_n(bytes.begin(), more, header_.begin() + static_cast<ptrdiff_t>(have_));
    have_ += more;
    bytes.remove_prefix(more);
    if (have_ < header_bytes) break;
    have_ = 0;
    payload_left_ = size_t{header_[0]} << 16 | size_t{header_[1]} << 8 | header_[2];
    if (const Offence offence = frame(now); !offence.reason.empty()) return offence;
  }
  return {};
}

Offence FrameGuard::frame(Monotonic now) noexcept {
  const uint8_t flags = header_[4];
  in_data_ = header_[3] == data;
  switch (header_[3]) {
    case data:
      // How much of it is padding is not known yet.
      if (payload_left_ > crumb_bytes_max + ((flags & padded) != 0 ? padding_max : 0) ||
          (flags & end_stream) != 0)
        return {};
      if (payload_left_ > 0) {  // a backend may well send a word at a time
        return !of_client_ || crumbs_.spend(now) ? Offence{} : flood("tiny_data_flood");
      }
      return work_.spend(now) ? Offence{} : flood("empty_data_flood");
    case headers:
      in_block_ = (flags & end_headers) == 0;
      block_bytes_ = payload_left_;
      continuations_ = 0;
      if (block_bytes_ > block_bytes_max_) return flood("header_block_too_large");
      if (of_client_ && !ids_.may_have_headers(stream_id())) return {"stream_id_left_out", protocol_error};
      return work_.spend(now) ? Offence{} : flood("header_flood");  // earned back by a request
    case continuation:
      in_block_ = in_block_ && (flags & end_headers) == 0;
      block_bytes_ += payload_left_;
      if (payload_left_ > frame_bytes_max)
        return {"frame_too_large", frame_size_error};  // nghttp2 looks at others
      if (++continuations_ > continuations_max || block_bytes_ > block_bytes_max_)
        return flood("continuation_flood");
      return {};
    case rst_stream:
      return resets_.spend(now) ? Offence{} : flood("reset_flood");
    case window_update:
      if (updates_ > 0) {
        --updates_;
        return {};
      }
      [[fallthrough]];
    default:
      return work_.spend(now) ? Offence{} : flood("control_flood");
  }
}

}  // namespace sallyport::http::h2
