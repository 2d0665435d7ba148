// FrameGuard: looks at a peer's HTTP/2 frames before the session does, and says when they are an attack.
//
// A frame that makes us work without a request moving on (resets, pings, settings, priorities, empty DATA, or
// DATA of next to nothing that nobody pulls, window updates, HEADERS that neither begin nor end anything,
// CONTINUATION without end) is paid for from a budget that refills with time and with what the connection
// really does. The known holes are CVE-2019-9511 to 9518, CVE-2023-44487 (rapid reset), CVE-2024-27316
// (CONTINUATION flood) and CVE-2025-8671 (MadeYouReset). Owned by the session; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "gateway/base/bytes.h"
#include "gateway/base/clock.h"

namespace sallyport::http::h2 {

// So many at once, so many a second in the long run.
class Budget {
 public:
  constexpr Budget(uint32_t burst, uint32_t per_second) noexcept
      : burst_(burst), per_second_(per_second), left_(burst) {}
  // False: there is none left.
  bool spend(Monotonic now) noexcept;
  void earn(uint32_t count) noexcept { left_ = count < burst_ - left_ ? left_ + count : burst_; }

 private:
  uint32_t burst_;
  uint32_t per_second_;
  uint32_t left_;
  Monotonic filled_{};
};

// The ids of the streams that a client begins (RFC 9113 section 5.1.1): each is larger than all before it,
// and the ones that it leaves out are closed with that.
class StreamIds {
 public:
  // False: HEADERS would begin a stream that was left out. Of several gaps, the last few are remembered; of
  // an older one, nghttp2 takes no request either, but says nothing.
  bool may_have_headers(uint32_t id) noexcept;

 private:
  struct Gap {
    uint32_t first, last;
  };
  std::array<Gap, 8> gaps_{};
  size_t count_ = 0;  // that there ever were
  uint32_t next_ = 1;
};

constexpr size_t preface_bytes = 24;  // RFC 9113 section 3.4

// What a peer did that ends its connection; an empty reason: nothing.
struct Offence {
  std::string_view reason;  // a slug
  uint32_t code = 0;        // RFC 9113 section 7
};

class FrameGuard {
 public:
  // of_client: the peer is one, who sends a preface and begins the streams. block_bytes_max: of one header
  // block as it is sent, CONTINUATION included.
  FrameGuard(bool of_client, size_t block_bytes_max, Monotonic now) noexcept
      : of_client_(of_client),
        block_bytes_max_(block_bytes_max),
        preface_left_(of_client ? preface_bytes : 0),
        head_began_(now) {}

  // Looks at the next bytes of the connection; each once, in order, from the preface on.
  Offence see(Slice bytes, Monotonic now) noexcept;
  // We reset a stream for something the client did.
  Offence reset_sent(Monotonic now) noexcept;
  // So much content has left, in one frame: the peer gives its room back, in steps of its own (some tell
  // of each 4 KiB that is taken, some of each 512 bytes, for the stream and for the connection).
  void data_sent(size_t bytes) noexcept {
    work_.earn(3);
    updates_ = std::min(updates_ + bytes / content_an_update, updates_max);
  }
  // So much content has been pulled.
  void content_pulled(size_t bytes) noexcept {
    crumbs_.earn(static_cast<uint32_t>(std::min<size_t>(bytes, UINT32_MAX)));
  }
  // HEADERS have begun a request, or ended one as its trailers.
  void request_moved_on() noexcept { work_.earn(1); }
  // A request has been sent to a backend: its answer may be a reset, and some frames beside it.
  void request_sent() noexcept {
    resets_.earn(1);
    work_.earn(4);
  }
  // One side of an exchange has been sent whole: a client that has had an answer may leave another.
  void end_sent() noexcept { resets_.earn(1); }

  // The preface, or a frame that is no DATA, or a header block has begun and not ended; and when it did.
  bool in_head() const noexcept {
    return preface_left_ > 0 || in_block_ || have_ > 0 || (payload_left_ > 0 && !in_data_);
  }
  Monotonic head_began() const noexcept { return head_began_; }

 private:
  Offence frame(Monotonic now) noexcept;
  uint32_t stream_id() const noexcept;

  static constexpr size_t header_bytes = 9;  // RFC 9113 section 4.1
  static constexpr size_t content_an_update = 256;
  static constexpr size_t updates_max = 128 * 1024;  // for 32 MiB on the way
  bool of_client_;
  size_t block_bytes_max_;
  StreamIds ids_;
  Budget resets_{1000, 100};  // a page that is left takes hundreds along
  Budget work_{1000, 100};
  Budget crumbs_{4096, 100};  // DATA frames of next to nothing that nobody has pulled
  size_t updates_ = 0;        // of windows, that are earned; more of them are work
  size_t preface_left_;
  std::array<uint8_t, header_bytes> header_{};
  size_t have_ = 0;          // bytes of header_
  size_t payload_left_ = 0;  // of the frame behind it
  bool in_data_ = false;
  bool in_block_ = false;
  size_t block_bytes_ = 0;
  uint32_t continuations_ = 0;
  Monotonic head_began_;
};

}  // namespace sallyport::http::h2
