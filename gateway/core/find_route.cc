#include "gateway/core/find_route.h"

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

// A backend that cuts parameters off must not be at another route than we are, nor where we have none.
// Whoever writes them into a route's path says that it does not cut.
bool cut_leads_elsewhere(const Exchange& x, const Route& route, Slice cut) {
  if (route.match.path.text.contains(';')) return false;
  PathParams ignored;
  return find(x, cut, ignored).route != &route;
}

// All routes compete for the path as it would go on; the one that gets it must want it so. If only those that
// merge were asked, "//admin/x" would be found at a catch-all, and go on as "/admin/x".
Result<const Route*> find_ambiguous(Exchange& x, bool empty_segment, bool parameters) {
  const Slice path = http::merge_slashes(x.request.path, x.arena);
  const Route* route = find(x, path, x.params).route;
  if (empty_segment && (route == nullptr || route->match.slashes == config::Slashes::refuse))
    return bad("empty_segment", "the path has an empty segment: write one slash for several");
  if (parameters && (route == nullptr || route->match.parameters == config::PathParameters::refuse))
    return bad("path_parameters", "the path has a semicolon: percent-encode it (%3B) if it is data");
  if (parameters && cut_leads_elsewhere(x, *route, http::cut_parameters(path, x.arena)))
    return bad("path_parameters", "without what stands behind its semicolon, the path is another one here");
  x.request.path = path;
  return route;
}

}  // namespace

Result<const Route*> find_route(Exchange& x) {
  const bool empty_segment = http::has_empty_segment(x.request.path);
  const bool parameters = http::has_parameters(x.request.path);
  if (empty_segment || parameters) return find_ambiguous(x, empty_segment, parameters);
  return route_of(x, find(x, x.request.path, x.params));
}

}  // namespace sallyport
