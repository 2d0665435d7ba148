// FieldList: header fields in nghttp2's own form; for h2_*.cc only.
#pragma once

#include <nghttp2/nghttp2.h>

#include <vector>

#include "gateway/base/bytes.h"

namespace sallyport::http::h2 {

struct FieldList {
  std::vector<nghttp2_nv> fields;

  // The bytes stay the caller's. nghttp2 copies what it is given, and does not write to it.
  // once: the value does not come again, so it takes nothing's place in the peer's table (RFC 7541
  // section 6.2.3).
  void add(Slice name, Slice value, bool once = false) {
    const auto bytes = [](Slice s) { return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data())); };
    fields.push_back({bytes(name), bytes(value), name.size(), value.size(),
                      static_cast<uint8_t>(once ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
  }
};

}  // namespace sallyport::http::h2
