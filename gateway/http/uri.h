// URIs: a path is decoded, checked and encoded once, so that the router and the backend see the same.
//
// Pure functions over bytes; any thread. RFC 3986, stricter: what two readers could understand differently is
// refused.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "gateway/base/arena.h"
#include "gateway/base/error.h"

namespace sallyport::http {

struct Target {
  Slice path;   // canonical: unreserved characters plain, all else percent-encoded in upper-case hex
  Slice query;  // without '?', checked, as sent
  // absolute-form only (RFC 9112 section 3.2.2): the authority, which then replaces Host; empty otherwise
  Slice authority;
};

// The target of a request line: origin-form, absolute-form (http and https) or "*". Refused
// (malformed_request, with a detail that says why): bytes outside 0x21..0x7e, a fragment, an invalid percent
// escape, an encoded slash, backslash or NUL, a control character after decoding, a dot segment in any form
// ("..;x" and "..%3Bx" too), a raw backslash, a character in more bytes of UTF-8 than it needs, an empty
// path.
Result<Target> parse_target(Slice target, Arena& arena);

struct Authority {
  // Lower case, of the value itself where it is that, else in the arena; IPv6 with its brackets; a dot of the
  // root as it was sent.
  Slice host;
  std::optional<uint16_t> port;
};
// A Host header's value (RFC 9110 section 7.2): reg-name, IPv4 or [IPv6], and a port. Refused: user info, a
// path, a list, white space, an empty value or label, bytes above 0x7e.
Result<Authority> parse_authority(Slice value, Arena& arena);

// A canonical path may still be read in two ways: where "//" is one slash (nginx, most frameworks), and where
// ";…" is cut off its segment (Tomcat, Jetty). Both are seen by these; what has neither is read alike by all.
bool has_empty_segment(Slice path) noexcept;  // "//"; a slash at the end makes none
bool has_parameters(Slice path) noexcept;     // ";"; "%3B" is no such thing
// And where "%3A" is not ":", which few tell apart although they may (RFC 3986 section 2.2): the path with
// the delimiters of a segment plain (sub-delims, ":" and "@"), as whoever decodes it reads it; itself if
// there are none.
Slice plain_delimiters(Slice path, Arena& arena);
// The path without its empty segments: "//a///b/" is "/a/b/".
Slice merge_slashes(Slice path, Arena& arena);
// The path as whoever cuts parameters reads it, merged afterwards: "/a;x/;y/b" is "/a/b".
Slice cut_parameters(Slice path, Arena& arena);

// Decodes the escapes of one path segment or query part; the input has been checked. '+' stays '+'.
Slice percent_decode(Slice text, Arena& arena);

struct QueryPair {
  Slice name;  // decoded; in a query '+' is a space (WHATWG URL, application/x-www-form-urlencoded)
  Slice value;
};
// The parameters of a query, at most pairs_max; a broken escape or too many is an error (invalid_parameter).
Result<std::vector<QueryPair>> parse_query(Slice query, Arena& arena, size_t pairs_max = 256);

// The same query, so that nobody reads it otherwise than parse_query: what some take for a space or for the
// end of a pair ("+", ";") is percent-encoded.
Slice plain_query(Slice query, Arena& arena);

}  // namespace sallyport::http
