// Headers: the fields of one message, in the order they came. Names compare without case (RFC 9110
// section 5.1).
//
// Names and values are slices; whoever made the Headers owns the bytes (the exchange's arena). One worker's
// thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "gateway/base/bytes.h"
#include "gateway/base/error.h"
#include "gateway/base/small_pool.h"

namespace sallyport::http {

// The names that the gateway itself looks at; found once, when a header is added.
enum class HeaderId : uint8_t {
  other,
  accept,
  access_control_request_headers,
  access_control_request_method,
  allow,
  authorization,
  connection,
  content_encoding,
  content_length,
  content_location,
  content_type,
  cookie,
  date,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  location,
  origin,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  ratelimit,
  ratelimit_policy,
  retry_after,
  server,
  set_cookie,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  www_authenticate,
  x_api_key,
  x_client_id,
  x_client_roles,
  x_client_scopes,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_request_id,
};
constexpr size_t header_ids = static_cast<size_t>(HeaderId::x_request_id) + 1;

// `other` for a name that is not in the list. Constant time in the number of names.
HeaderId header_id(Slice name) noexcept;
// The name in the form we send ("Content-Type"); empty for `other`.
Slice header_name(HeaderId id) noexcept;
// The same in lower case, as HTTP/2 has it; both live for ever.
Slice lower_header_name(HeaderId id) noexcept;

// Some of the names.
class HeaderIds {
 public:
  constexpr HeaderIds() noexcept = default;
  constexpr HeaderIds(std::initializer_list<HeaderId> ids) noexcept {
    for (HeaderId id : ids) add(id);
  }
  constexpr void add(HeaderId id) noexcept { bits_ |= bit(id); }
  constexpr void remove(HeaderId id) noexcept { bits_ &= ~bit(id); }
  constexpr bool has(HeaderId id) const noexcept { return (bits_ & bit(id)) != 0; }
  constexpr bool has_any(HeaderIds of) const noexcept { return (bits_ & of.bits_) != 0; }

 private:
  static_assert(header_ids <= 64);
  static constexpr uint64_t bit(HeaderId id) noexcept { return uint64_t{1} << static_cast<unsigned>(id); }
  uint64_t bits_ = 0;
};

// Meant for the next hop only (RFC 9110 section 7.6.1), or the framing, which is written anew: none goes on,
// and HTTP/2 has none of them.
inline constexpr HeaderIds of_one_hop = {HeaderId::connection,
                                         HeaderId::content_length,
                                         HeaderId::http2_settings,
                                         HeaderId::keep_alive,
                                         HeaderId::proxy_authenticate,
                                         HeaderId::proxy_authorization,
                                         HeaderId::proxy_connection,
                                         HeaderId::te,
                                         HeaderId::trailer,
                                         HeaderId::transfer_encoding,
                                         HeaderId::upgrade};
constexpr bool is_of_one_hop(HeaderId id) noexcept { return of_one_hop.has(id); }

constexpr size_t field_overhead = 32;  // of a field, as a header list counts (RFC 9113 section 6.5.2)

struct Header {
  Slice name;
  Slice value;
  HeaderId id = HeaderId::other;
  bool checked = false;  // whoever read it has seen that it is well-formed
};
// Name and value are what RFC 9110 section 5 lets them be: whoever writes a header that was not checked asks.
bool is_well_formed(const Header& h) noexcept;

class Headers {
 public:
  // Empties it and keeps the memory.
  void clear() noexcept {
    fields_.clear();
    seen_ = {};
  }
  size_t size() const noexcept { return fields_.size(); }
  auto begin() const noexcept { return fields_.begin(); }
  auto end() const noexcept { return fields_.end(); }

  // Room for so many, made at once instead of step by step.
  void reserve(size_t count) { fields_.reserve(count); }
  void add(Slice name, Slice value) { add(Header{name, value, header_id(name)}); }
  void add(HeaderId id, Slice value) { add(Header{header_name(id), value, id}); }
  void add_checked(Slice name, Slice value) { add(Header{name, value, header_id(name), true}); }
  // All have been looked at.
  void set_checked() noexcept {
    for (Header& h : fields_) h.checked = true;
  }
  // Replaces all of that name by one.
  void set(HeaderId id, Slice value);
  void set(Slice name, Slice value);
  void remove(HeaderId id) noexcept;
  void remove(Slice name) noexcept;
  // Gives every field the value that `f(const Header&)` makes of it.
  template <class F>
  void map_values(F f) {
    for (Header& h : fields_) {
      const Slice value = f(std::as_const(h));
      h.checked = h.checked && value.data() == h.value.data() && value.size() == h.value.size();
      h.value = value;
    }
  }
  // Removes every field for which `unwanted(const Header&)` is true.
  template <class F>
  void remove_if(F unwanted) {
    std::erase_if(fields_, unwanted);
  }

  // False for names of which none is there, at once.
  bool may_have(HeaderIds ids) const noexcept { return seen_.has_any(ids); }
  // The first of that name, or null.
  const Header* find(HeaderId id) const noexcept { return seen_.has(id) ? first(id) : nullptr; }
  const Header* find(Slice name) const noexcept;
  // Its value, or an empty slice.
  Slice get(HeaderId id) const noexcept {
    const Header* found = find(id);
    return found == nullptr ? Slice{} : found->value;
  }
  Slice get(Slice name) const noexcept;
  size_t count(HeaderId id) const noexcept { return seen_.has(id) ? count_seen(id) : 0; }

 private:
  void add(Header&& h) {
    seen_.add(h.id);
    fields_.push_back(h);
  }
  const Header* first(HeaderId id) const noexcept;
  size_t count_seen(HeaderId id) const noexcept;

  small_pool::Vector<Header> fields_;
  HeaderIds seen_;  // all that are there, and perhaps some that were: most look-ups are for what is not
};

// True if a comma-separated list (RFC 9110 section 5.6.1) has the token, ignoring case.
bool list_has_token(Slice list, Slice token) noexcept;

// RFC 9110 section 5.6.2 and 5.5: a field name; a field value without controls (HTAB is allowed).
bool is_token(Slice s) noexcept;
// Letters, digits and hyphens: what many backends make of the other characters that a name may have, too.
bool is_plain_name(Slice s) noexcept;
size_t token_length(Slice s) noexcept;  // of the token that it begins with; 0 if with none
bool is_field_value(Slice s) noexcept;
// The error of whoever is to write a header that is not well-formed: internal, as nobody was let make one.
std::unexpected<Error> unsafe_header();

}  // namespace sallyport::http
