// What is valid between two routes, and dangerous.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/config/load_routes.h"

namespace sallyport::config {
namespace {

// The literal text that a path begins with; nothing: it begins with a {name}.
std::optional<std::string_view> first_literal(const PathPattern& path) {
  if (path.segments.empty()) return "";
  if (path.segments.front().kind != Segment::Kind::literal) return std::nullopt;
  return path.segments.front().text;
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

// True if there is a path that both take.
bool meet(const PathPattern& a, const PathPattern& b) {
  for (size_t i = 0;; ++i) {
    const bool a_ends = i >= a.segments.size(), b_ends = i >= b.segments.size();
    if ((!a_ends && a.segments[i].kind == Segment::Kind::rest) ||
        (!b_ends && b.segments[i].kind == Segment::Kind::rest))
      return true;
    if (a_ends || b_ends) return a_ends && b_ends && a.trailing_slash == b.trailing_slash;
    const bool literal =
        a.segments[i].kind == Segment::Kind::literal && b.segments[i].kind == Segment::Kind::literal;
    if (literal && a.segments[i] != b.segments[i]) return false;
  }
}

// None named are all.
bool methods_meet(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto in_b = [&](const std::string& method) { return std::ranges::find(b, method) != b.end(); };
  return a.empty() || b.empty() || std::ranges::any_of(a, in_b);
}

// True if all hosts of `inner` are hosts of `outer`: "" is any host, "*.example.com" all below it.
bool is_within(std::string_view inner, std::string_view outer) {
  if (outer.empty() || inner == outer) return true;
  return outer.starts_with("*.") && inner.ends_with(outer.substr(1));
}
bool hosts_meet(std::string_view a, std::string_view b) { return is_within(a, b) || is_within(b, a); }

const Node* forward_key(const Route& route, std::string_view key) {
  const PluginBlock* forward = route.plugin("forward");
  return forward == nullptr || forward->block == nullptr ? nullptr : forward->block->find(key);
}

std::string_view upstream_of(const Route& route) {
  const Node* to = forward_key(route, "to");
  return to == nullptr ? std::string_view{} : std::string_view(to->text);
}

std::string shown(const Route& route) {
  return fmt::format("\"{}\" ({})", text::printable(route.name), text::printable(route.match.path.text));
}

// Why everybody gets past it.
std::string openness(const Route& route) {
  return is_public(route)
             ? "is public"
             : fmt::format("lets everybody past (authenticate.mode: {})", mode_of(route, "authenticate"));
}

// A route and what its backend is asked for, which knows neither the client's host nor its path.
struct Reach {
  const Route* route;
  PathPattern path;
  bool rewrites = false;

  static Reach of(const Route& route) {
    const Node* path = forward_key(route, "path");
    if (path == nullptr || !path->is_scalar()) return {&route, route.match.path};
    Result<PathPattern> parsed = PathPattern::parse(path->text);  // what is wrong is told elsewhere
    if (!parsed) return {&route, route.match.path};
    return {&route, std::move(*parsed), true};
  }
};

// The routes that ask who calls, by upstream and then by the first segment of what they reach; under nothing
// those that begin with a {name}.
using Protected =
    std::unordered_map<std::string_view, std::map<std::optional<std::string>, std::vector<Reach>>>;

// The router is exact, and a backend may be lenient: whatever spelling of a protected path only the backend
// takes for that path, goes to the public route beside it.
bool takes_what_is_spelt_otherwise(const Reach& open, const Reach& closed) {
  const Match &wide = open.route->match, &narrow = closed.route->match;
  return !open.rewrites && !closed.rewrites && has_params(wide.path) && hosts_meet(wide.host, narrow.host) &&
         covers(wide.path, narrow.path);
}

// A public part of a protected whole, which everybody sees who reads the config.
bool is_plain_exception(const Match& open, const Match& closed) {
  return hosts_meet(open.host, closed.host) && meet(open.path, closed.path) &&
         !covers(open.path, closed.path) && open.path.shape() != closed.path.shape();
}

// What the router keeps apart by host, or by a path that is rewritten afterwards, is one to the backend.
bool asks_for_the_same(const Reach& open, const Reach& closed) {
  const Match &a = open.route->match, &b = closed.route->match;
  const bool kept_apart = !is_within(a.host, b.host) || open.rewrites || closed.rewrites;
  return kept_apart && meet(open.path, closed.path) && !is_plain_exception(a, b);
}

template <class Test>
const Route* find_closed(const Reach& open, const Protected& closed, Test test) {
  const auto same_upstream = closed.find(upstream_of(*open.route));
  if (same_upstream == closed.end()) return nullptr;
  const auto first = first_literal(open.path);
  for (const auto& [segment, reaches] : same_upstream->second) {
    if (first && segment && *first != *segment) continue;
    for (const Reach& reach : reaches) {
      if (methods_meet(open.route->match.methods, reach.route->match.methods) && test(open, reach))
        return reach.route;
    }
  }
  return nullptr;
}

void warn_of(const Reach& open, const Protected& closed, Problems& problems) {
  const auto name = [&] { return text::printable(upstream_of(*open.route)); };
  if (const Route* route = find_closed(open, closed, takes_what_is_spelt_otherwise))
    return problems.warn(
        open.route->match.mark,
        fmt::format("route {} {} and takes what route {} does not recognise: any spelling of its "
                    "path that upstream {} understands and this gateway does not (another case, an "
                    "encoding) gets past the authentication; give the open route a narrower path or an "
                    "upstream of its own, or let it authenticate, too",
                    shown(*open.route), openness(*open.route), shown(*route), name()));
  if (const Route* route = find_closed(open, closed, asks_for_the_same))
    problems.warn(
        open.route->match.mark,
        fmt::format(
            "route {} {} and asks upstream {} for {}, which route {} protects: the upstream does "
            "not see by which host or path it was asked; give the open route another forward.path or an "
            "upstream of its own, or let it authenticate, too",
            shown(*open.route), openness(*open.route), name(), text::printable(open.path.text),
            shown(*route)));
}

// What other routers read as a parameter.
void warn_of_literals(const Route& route, Problems& problems) {
  const auto is_colon = [](const Segment& s) {
    return s.kind == Segment::Kind::literal && s.text.size() > 1 && s.text.starts_with(':');
  };
  const auto found = std::ranges::find_if(route.match.path.segments, is_colon);
  if (found != route.match.path.segments.end())
    problems.warn(
        route.match.mark,
        fmt::format("route {}: \"{}\" stands for itself; a part that differs is written {{{}}}", shown(route),
                    text::printable(found->text), text::printable(found->text.substr(1))));
  const auto dots = std::ranges::find(route.match.path.segments, "...", &Segment::text);
  if (dots != route.match.path.segments.end())
    problems.warn(route.match.mark,
                  fmt::format("route {}: \"...\" stands for itself; all that remains of a path is written "
                              "{{rest...}}",
                              shown(route)));
}

void warn_of_mode(const Route& route, Problems& problems) {
  if (is_public(route) || !lets_everybody_past(route)) return;
  problems.warn(
      route.plugin("authenticate")->block->find("mode")->mark,
      mode_of(route, "authenticate") == "off"
          ? "authenticate.mode off lets everybody past: say authenticate: public if that is meant"
          : "authenticate.mode shadow lets everybody past, and only tells whom it would refuse: say enforce "
            "once it would refuse the right ones");
}

void warn_of_defaults(const Model& model, Problems& problems) {
  for (const auto& [key, block] : model.defaults) {
    if (key == "authenticate" && block != nullptr && block->is_scalar() && block->text == "public")
      problems.warn(
          block->mark,
          "defaults.authenticate: public makes every route public that says nothing about who may "
          "call it: say authenticate: public on each route that is meant, and here who may call the "
          "others");
  }
}

// No caller is known by a token: who calls is said by the first of all_of, or by one of any_of.
bool takes_keys_only(const Node& authenticate, const Model& model) {
  const auto is_key = [&](const Node& name) {
    const AuthenticatorBlock* one = model.authenticator(name.text);
    return one != nullptr && one->type == "api_key";
  };
  if (const Node* all = authenticate.find("all_of"); all != nullptr && !all->items.empty())
    return is_key(all->items.front());
  const Node* any = authenticate.find("any_of");
  return any != nullptr && !any->items.empty() && std::ranges::all_of(any->items, is_key);
}

bool has_in_force(const Route& route, std::string_view key) {
  const std::string_view mode = mode_of(route, key);
  return !mode.empty() && mode != "off";
}

void warn_of_login(const Route& route, Problems& problems) {
  if (!has_in_force(route, "authorize")) return;
  for (const std::string_view key : {"acr", "max_age"}) {
    const Node* asked = route.plugin("authorize")->block->find(key);
    if (asked == nullptr || asked->kind == Node::Kind::null || (asked->is_list() && asked->items.empty()))
      continue;
    problems.warn(
        asked->mark,
        fmt::format("no caller of route \"{}\" has what authorize.{} asks for: it stands in tokens, "
                    "and the route takes API keys only; name an authenticator of type jwt, or leave "
                    "the key out",
                    text::printable(route.name), key));
  }
}

// The claim that a limit counts by, as it is written there; empty: by none.
std::string_view claim_of(const Raw& limit) {
  const Node* by = limit->find("by");
  if (by == nullptr) return {};
  const auto is_claim = [](const Node& node) { return node.text.starts_with("claim:"); };
  if (by->is_scalar()) return is_claim(*by) ? std::string_view(by->text) : std::string_view{};
  const auto found = std::ranges::find_if(by->items, is_claim);
  return found == by->items.end() ? std::string_view{} : std::string_view(found->text);
}

void warn_of_claims(const Route& route, const Model& model, Problems& problems) {
  if (!has_in_force(route, "limit")) return;
  const Node& block = *route.plugin("limit")->block;
  const Node* used = block.is_map() ? block.find("use") : &block;
  if (used == nullptr) return;
  for (const Node& name : used->items) {
    const Raw* limit = model.limit(name.text);
    const std::string_view claim = limit == nullptr ? std::string_view{} : claim_of(*limit);
    if (claim.empty()) continue;
    problems.warn(
        name.mark,
        fmt::format("no caller of route \"{}\" has the {} that limit {} counts by, so that by it all callers "
                    "share one counter: the route takes API keys only; count by client, or name an "
                    "authenticator of type jwt",
                    text::printable(route.name), text::printable(claim), text::printable(name.text)));
  }
}

}  // namespace

void warn_of_routes(const Model& model, Problems& problems) {
  warn_of_defaults(model, problems);
  for (const Route& route : model.routes) {
    warn_of_mode(route, problems);
    warn_of_literals(route, problems);
    if (!has_in_force(route, "authenticate") || !takes_keys_only(*route.plugin("authenticate")->block, model))
      continue;
    warn_of_login(route, problems);
    warn_of_claims(route, model, problems);
  }
  Protected closed;
  for (const Route& route : model.routes) {
    if (!asks_who_calls(route) || upstream_of(route).empty() || route.match.path.text.empty()) continue;
    Reach reach = Reach::of(route);
    auto first = first_literal(reach.path);
    closed[upstream_of(route)][first ? std::optional<std::string>(*first) : std::nullopt].push_back(
        std::move(reach));
  }
  for (const Route& open : model.routes) {
    if (lets_everybody_past(open) && !upstream_of(open).empty() && !open.match.path.text.empty())
      warn_of(Reach::of(open), closed, problems);
  }
}

}  // namespace sallyport::config
