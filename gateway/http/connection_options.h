// Connection: what the two ends of one HTTP/1 connection say to each other, and which fields go no further
// (RFC 9110 section 7.6.1). Pure; any thread.
#pragma once

#include "gateway/base/small_pool.h"
#include "gateway/http/headers.h"

namespace sallyport::http {

// What one option of the list is.
enum class ConnectionOption : uint8_t {
  close,
  keep_alive,
  upgrade,
  of_one_hop,  // names a field that never goes on: TE, Trailer, Proxy-Connection, …
  field,       // names another one
};
ConnectionOption connection_option(Slice option) noexcept;

// All options of a head, read once.
struct ConnectionOptions {
  // Of a head, empty ones included: each field of the head is held against each.
  static constexpr size_t max = 32;
  bool close = false, keep_alive = false, upgrade = false;
  bool too_many = false;
  small_pool::Vector<Slice> fields;  // those that are ConnectionOption::field
  void add(Slice option);
  bool names(Slice field) const noexcept;
};
ConnectionOptions connection_options(const Headers& headers);

// Takes out what is meant for one hop only: Connection and all it names, Keep-Alive, Proxy-*, TE, Trailer,
// Transfer-Encoding, Upgrade, and Content-Length (framing is written anew).
void remove_hop_by_hop(Headers& headers);

}  // namespace sallyport::http
