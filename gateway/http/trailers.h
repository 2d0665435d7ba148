// Trailers: the fields that come behind a message's content (RFC 9110 section 6.5), for the next hop.
//
// Owned by the body that they follow; one worker's thread.
#pragma once

#include <cstddef>

#include "gateway/base/arena.h"
#include "gateway/http/framing.h"
#include "gateway/http/headers.h"

namespace sallyport::http {

class Trailers {
 public:
  // Names and values are copied to the arena; what cannot be a trailer is left out (may_be_trailer).
  void field(Slice name, Slice value, Arena& arena, const HeadLimits& limits);
  // More than the limits allow has come: what is here is not all.
  bool too_large() const noexcept { return too_large_; }
  const Headers& fields() const noexcept { return fields_; }

 private:
  Headers fields_;
  size_t bytes_ = 0;  // as a header list counts (RFC 9113 section 6.5.2)
  bool too_large_ = false;
};

}  // namespace sallyport::http
