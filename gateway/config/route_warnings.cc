// What is valid between two routes, and dangerous.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "gateway/base/text.h"
#include "gateway/config/load_routes.h"

namespace sallyport::config {
namespace {

// The literal text that a route begins with; empty: it begins with a {name}.
std::string_view first_literal(const PathPattern& path) {
  const bool literal = !path.segments.empty() && path.segments.front().kind == Segment::Kind::literal;
  return literal ? std::string_view(path.segments.front().text) : std::string_view{};
}

bool has_params(const PathPattern& path) {
  return std::ranges::any_of(path.segments,
                             [](const Segment& s) { return s.kind != Segment::Kind::literal; });
}

// True if `wide` takes paths that begin like `narrow`, as soon as they are spelt so that `narrow` does not
// take them.
bool covers(const PathPattern& wide, const PathPattern& narrow) {
  for (size_t i = 0; i < wide.segments.size(); ++i) {
    const Segment& segment = wide.segments[i];
    if (segment.kind == Segment::Kind::rest) return wide.shape() != narrow.shape();
    if (i >= narrow.segments.size()) return false;
    if (segment.kind == Segment::Kind::literal && segment != narrow.segments[i]) return false;
  }
  return wide.segments.size() == narrow.segments.size() && wide.shape() != narrow.shape();
}

// None named are all.
bool methods_meet(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto in_b = [&](const std::string& method) { return std::ranges::find(b, method) != b.end(); };
  return a.empty() || b.empty() || std::ranges::any_of(a, in_b);
}

// "" is any host, "*.example.com" all below it.
bool hosts_meet(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty() || a == b) return true;
  const auto below = [](std::string_view wild, std::string_view host) {
    return wild.starts_with("*.") && host.ends_with(wild.substr(1));
  };
  return below(a, b) || below(b, a);
}

std::string_view upstream_of(const Route& route) {
  const PluginBlock* forward = route.plugin("forward");
  const Node* to = forward == nullptr || forward->block == nullptr ? nullptr : forward->block->find("to");
  return to == nullptr ? std::string_view{} : std::string_view(to->text);
}

std::string shown(const Route& route) {
  return fmt::format("\"{}\" ({})", text::printable(route.name), text::printable(route.match.path.text));
}

// The routes that ask who calls, by upstream and then by their first segment.
using Protected =
    std::unordered_map<std::string_view, std::unordered_map<std::string_view, std::vector<const Route*>>>;

const Route* find_covered(const Route& open, const Protected& closed) {
  const auto same_upstream = closed.find(upstream_of(open));
  if (same_upstream == closed.end()) return nullptr;
  const std::string_view first = first_literal(open.match.path);
  for (const auto& [segment, routes] : same_upstream->second) {
    if (!first.empty() && first != segment) continue;
    for (const Route* route : routes) {
      if (hosts_meet(open.match.host, route->match.host) &&
          methods_meet(open.match.methods, route->match.methods) &&
          covers(open.match.path, route->match.path))
        return route;
    }
  }
  return nullptr;
}

}  // namespace

// The router is exact, and a backend may be lenient: whatever spelling of a protected path only the backend
// takes for that path, goes to the public route beside it.
void warn_of_routes(const Model& model, Problems& problems) {
  Protected closed;
  for (const Route& route : model.routes) {
    if (asks_who_calls(route) && !upstream_of(route).empty())
      closed[upstream_of(route)][first_literal(route.match.path)].push_back(&route);
  }
  for (const Route& open : model.routes) {
    if (!is_public(open) || !has_params(open.match.path)) continue;
    const Route* route = find_covered(open, closed);
    if (route == nullptr) continue;
    problems.warn(
        open.match.mark,
        fmt::format("route {} is public and takes what route {} does not recognise: any spelling of its "
                    "path that upstream {} understands and this gateway does not (another case, an "
                    "encoding) gets past the authentication; give the public route a narrower path or an "
                    "upstream of its own, or let it authenticate, too",
                    shown(open), shown(*route), text::printable(upstream_of(open))));
  }
}

}  // namespace sallyport::config
