#include "gateway/core/find_route.h"

#include <algorithm>

#include "gateway/core/world.h"
#include "gateway/http/uri.h"

namespace sallyport {
namespace {

Router::Match find(const Exchange& x, Slice path, PathParams& params) {
  const http::Request& r = x.request;
  return x.world->routes.find(r.host, path, r.method, r.method_text, params);
}

std::unexpected<Error> bad(std::string_view reason, std::string detail) {
  return fail(Code::malformed_request, reason, std::move(detail));
}

Result<const Route*> route_of(Exchange& x, const Router::Match& match) {
  if (match.route != nullptr) return match.route;
  if (match.allow.empty()) return fail(Code::no_route, "no_route", "no route matches this host and path");
  x.add_answer_header("Allow", match.allow);
  return fail(Code::method_not_allowed, "method_not_allowed", "the path exists, but not with this method");
}

// How a backend may read a path.
using Reading = Slice (*)(Slice path, Arena& arena);
Slice plain_then_cut(Slice path, Arena& arena) {
  return http::cut_parameters(http::plain_delimiters(path, arena), arena);
}
Slice cut_then_plain(Slice path, Arena& arena) {
  return http::plain_delimiters(http::cut_parameters(path, arena), arena);
}

// True if a backend that reads so is at another route than we are, or where we have none; or finds a value of
// the path in another segment than we do: what has been cut away as a whole moves those behind it.
bool leads_elsewhere(Exchange& x, const Route* route, Slice path, Reading read) {
  const Slice reading = read(path, x.arena);
  if (reading.data() == path.data()) return false;
  PathParams params;
  if (find(x, reading, params).route != route) return true;
  if (route == nullptr) return false;
  return !std::ranges::equal(params, x.params, [&](const auto& theirs, const auto& ours) {
    return theirs.value == read(x.arena.concat({"/", ours.value}), x.arena).substr(1);
  });
}

// Whoever writes parameters into a route's path says that its backend does not cut.
Result<void> check_readings(Exchange& x, const Route* route, Slice path) {
  if (leads_elsewhere(x, route, path, http::plain_delimiters))
    return bad(
        "escaped_delimiter",
        "with its escaped delimiters plain (\"%3A\" is \":\"), the path is another one here: write them so");
  const Slice plain = http::plain_delimiters(path, x.arena);
  if (!http::has_parameters(plain) || (route != nullptr && route->match.path.text.contains(';'))) return {};
  const bool escapes = plain.data() != path.data();
  if (leads_elsewhere(x, route, path, http::cut_parameters) ||
      (escapes &&
       (leads_elsewhere(x, route, path, cut_then_plain) || leads_elsewhere(x, route, path, plain_then_cut))))
    return bad("path_parameters", "without what stands behind its semicolon, the path is another one here");
  return {};
}

// All routes compete for the path as it would go on; the one that gets it must want it so. If only those that
// merge were asked, "//admin/x" would be found at a catch-all, and go on as "/admin/x".
Result<const Route*> find_ambiguous(Exchange& x, bool empty_segment, bool parameters) {
  const Slice path = http::merge_slashes(x.request.path, x.arena);
  const Router::Match match = find(x, path, x.params);
  const Route* route = match.route;
  if (empty_segment && (route == nullptr || route->match.slashes == config::Slashes::refuse))
    return bad("empty_segment", "the path has an empty segment: write one slash for several");
  if (parameters && (route == nullptr || route->match.parameters == config::PathParameters::refuse))
    return bad("path_parameters", "the path has a semicolon: percent-encode it (%3B) if it is data");
  if (Result<void> same = check_readings(x, route, path); !same)
    return std::unexpected(std::move(same.error()));
  x.request.path = path;
  return route_of(x, match);
}

}  // namespace

Result<const Route*> find_route(Exchange& x) {
  const bool empty_segment = http::has_empty_segment(x.request.path);
  const bool parameters = http::has_parameters(x.request.path);
  const bool escapes = x.request.path.find('%') != Slice::npos;
  if (empty_segment || parameters || escapes) return find_ambiguous(x, empty_segment, parameters);
  return route_of(x, find(x, x.request.path, x.params));
}

}  // namespace sallyport
