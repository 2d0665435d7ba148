// FieldList: header fields in nghttp2's own form; for h2_*.cc only.
#pragma once

#include <nghttp2/nghttp2.h>

#include <vector>

#include "gateway/base/text.h"
#include "gateway/http/headers.h"

namespace sallyport::http::h2 {

struct FieldList {
  std::vector<nghttp2_nv> fields;
  bool good = true;  // each of them is well-formed

  void clear() noexcept {
    fields.clear();
    good = true;
  }

  // name: in lower case, and it lives for ever: nghttp2 points to it. The value is copied, as below.
  void add_static(Slice name, Slice value, uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    push(name, value, flags | NGHTTP2_NV_FLAG_NO_COPY_NAME);
  }
  void add(const Header& h) {
    good = good && (h.checked || is_well_formed(h));
    const Slice value = text::trim(h.value);
    if (h.id == HeaderId::other) return push(h.name, value, NGHTTP2_NV_FLAG_NONE);  // copied in lower case
    // Another value with each message takes nothing's place in the peer's table (RFC 7541 section 6.2.3).
    const bool once = h.id == HeaderId::x_request_id || h.id == HeaderId::traceparent;
    add_static(lower_header_name(h.id), value, once ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
  }

 private:
  // nghttp2 does not write to what it is given.
  void push(Slice name, Slice value, int flags) {
    const auto bytes = [](Slice s) { return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data())); };
    fields.push_back({bytes(name), bytes(value), name.size(), value.size(), static_cast<uint8_t>(flags)});
  }
};

}  // namespace sallyport::http::h2
