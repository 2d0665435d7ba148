#include "gateway/http/h2_guard.h"

#include <algorithm>

namespace sallyport::http::h2 {
namespace {

enum Type : uint8_t {  // RFC 9113 section 6
  data = 0,
  headers = 1,
  rst_stream = 3,
  continuation = 9,
};
constexpr uint8_t end_stream = 0x1, end_headers = 0x4;
constexpr uint32_t continuations_max = 16;  // of one block

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

std::string_view FrameGuard::reset_sent(Monotonic now) noexcept {
  return resets_.spend(now) ? std::string_view{} : "reset_flood";
}

std::string_view FrameGuard::see(Slice bytes, Monotonic now) noexcept {
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
    if (const std::string_view attack = frame(now); !attack.empty()) return attack;
  }
  return {};
}

std::string_view FrameGuard::frame(Monotonic now) noexcept {
  const uint8_t flags = header_[4];
  in_data_ = header_[3] == data;
  switch (header_[3]) {
    case data:
      if (payload_left_ > 0 || (flags & end_stream) != 0) return {};
      return work_.spend(now) ? std::string_view{} : "empty_data_flood";
    case headers:
      in_block_ = (flags & end_headers) == 0;
      block_bytes_ = payload_left_;
      continuations_ = 0;
      return block_bytes_ > block_bytes_max_ ? "header_block_too_large" : std::string_view{};
    case continuation:
      in_block_ = in_block_ && (flags & end_headers) == 0;
      block_bytes_ += payload_left_;
      if (++continuations_ > continuations_max || block_bytes_ > block_bytes_max_)
        return "continuation_flood";
      return {};
    case rst_stream:
      return resets_.spend(now) ? std::string_view{} : "reset_flood";
    default:
      return work_.spend(now) ? std::string_view{} : "control_flood";
  }
}

}  // namespace sallyport::http::h2
