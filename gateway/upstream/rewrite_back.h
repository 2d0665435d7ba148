// RewriteBack: what an answer says of the backend's paths, in the client's terms: Location, Content-Location
// and the paths of cookies. The reverse of forward.path.
//
// One a route; immutable, any thread. The values are whatever a backend has sent: what does not parse, or
// does not lie where forward.path leads, stays as it is, byte for byte.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateway/base/arena.h"
#include "gateway/config/route_pattern.h"
#include "gateway/core/exchange.h"
#include "gateway/upstream/target.h"

namespace sallyport::upstream {

class RewriteBack {
 public:
  // What the client asks for and what the backend is asked for; every {name} of `forward` is one of `match`.
  RewriteBack(const config::PathPattern& match, const config::PathPattern& forward);

  // One exchange, as its answer is looked at.
  struct View {
    const Target& backend;
    Slice scheme;              // the client's: https, http
    Slice authority;           // the client's: host[:port]
    Slice host;                // of it: lower case, without port
    const PathParams& params;  // for a {name} that the backend's path does not have
    Arena& arena;              // for what is made; the slices given lie there, or are the values themselves
  };

  // All of the answer's headers; called once forward has told the backend who asks.
  void apply(Exchange& x, const Target& backend) const;

  // A Location or Content-Location (RFC 9110 sections 10.2.2 and 8.7).
  Slice location(Slice value, const View& view) const;
  // A Set-Cookie (RFC 6265 section 5.2): its Path; a Domain that is the backend's own name is taken out.
  Slice set_cookie(Slice value, const View& view) const;

 private:
  std::optional<Slice> path(Slice canonical, const View& view) const;
  std::optional<Slice> cookie_path(Slice value, const View& view) const;

  // A path that begins with `from`, segment by segment, begins with `to` for the client; what follows stays.
  std::vector<config::Segment> from_, to_;
  bool whole_;  // from_ is all of forward.path, but for a {rest...}
  bool exact_;  // and neither pattern has one: their last slashes correspond
  bool from_slash_, to_slash_;
  bool nested_;                          // to_prefix_ lies in from_prefix_
  std::string from_prefix_, to_prefix_;  // the literal segments at the front of both
};

}  // namespace sallyport::upstream
