// find_route: which route a request is for, in whatever way its path may be read.
#pragma once

#include "gateway/core/exchange.h"

namespace sallyport {

struct Route;

// Fills x.params. What the router sees is what the backend gets: where the route merges slashes,
// x.request.path is merged. Errors: no_route; method_not_allowed, and the answer has Allow; malformed_request
// for a path that has an empty segment or parameters, where the route that it leads to does not say
// otherwise.
Result<const Route*> find_route(Exchange& x);

}  // namespace sallyport
