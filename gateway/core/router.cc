#include "gateway/core/router.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <utility>

#include "gateway/config/route_pattern.h"

namespace sallyport {
namespace {

using config::Segment;

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
};
template <class T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

// A route, with its own names of the path's parameters, in their order: routes that share a place in the tree
// need not call them the same.
struct Target {
  const Route* route;
  std::vector<std::string> names;
};

// The routes of one path, by method.
struct Leaf {
  struct Entry {
    http::Method method;
    std::string name;  // of a method that is not registered
    size_t target;
  };
  static constexpr size_t none = ~size_t{0};
  std::vector<Target> targets;
  std::vector<Entry> entries;
  size_t any = none;  // the target that takes all other methods
  std::string allow;

  bool empty() const noexcept { return targets.empty(); }
  const Target* find(http::Method method, Slice text) const noexcept {
    for (const Entry& e : entries) {
      if (e.method == method && (method != http::Method::other || e.name == text)) return &targets[e.target];
    }
    return any == none ? nullptr : &targets[any];
  }
};

struct Node {
  TextMap<std::unique_ptr<Node>> literals;
  std::unique_ptr<Node> param;
  Leaf here;  // the path ends here
  Leaf rest;  // {name...} takes what remains
};

void add_methods(Leaf& leaf, const Router::Entry& entry) {
  const size_t place = leaf.targets.size();
  Target& target = leaf.targets.emplace_back(Target{entry.route, {}});
  for (const Segment& s : entry.path->segments) {
    if (s.kind != Segment::Kind::literal) target.names.push_back(s.text);
  }
  if (entry.methods.empty()) leaf.any = place;
  for (const std::string& name : entry.methods) {
    leaf.entries.push_back({http::method_from(name), name, place});
    leaf.allow += (leaf.allow.empty() ? "" : ", ") + name;
  }
}

void insert(Node& root, const Router::Entry& entry) {
  Node* node = &root;
  for (const Segment& s : entry.path->segments) {
    if (s.kind == Segment::Kind::rest) return add_methods(node->rest, entry);
    std::unique_ptr<Node>& next = s.kind == Segment::Kind::param ? node->param : node->literals[s.text];
    if (next == nullptr) next = std::make_unique<Node>();
    node = next.get();
  }
  if (entry.path->trailing_slash) {
    std::unique_ptr<Node>& next = node->literals[""];
    if (next == nullptr) next = std::make_unique<Node>();
    node = next.get();
  }
  add_methods(node->here, entry);
}

// A path split at its slashes, one segment at a time.
struct Remaining {
  bool any;    // a segment is left, perhaps an empty one
  Slice text;  // from that segment on, without its slash
};
Remaining behind(Slice text) noexcept {
  const size_t slash = text.find('/');
  return slash == Slice::npos ? Remaining{false, {}} : Remaining{true, text.substr(slash + 1)};
}

// The most specific leaf that the path reaches. A node of the tree is reached by one way only, so that no
// path is tried twice; the depth is bounded by the patterns'.
const Leaf* walk(const Node& node, Remaining left, PathParams& params) {
  if (!left.any) {
    if (!node.here.empty()) return &node.here;
  } else {
    const Slice segment = left.text.substr(0, left.text.find('/'));
    if (auto next = node.literals.find(segment); next != node.literals.end()) {
      if (const Leaf* leaf = walk(*next->second, behind(left.text), params)) return leaf;
    }
    if (node.param != nullptr && !segment.empty() && params.size < PathParams::max) {
      params.items[params.size++].value = segment;
      if (const Leaf* leaf = walk(*node.param, behind(left.text), params)) return leaf;
      --params.size;
    }
  }
  if (node.rest.empty() || params.size >= PathParams::max) return nullptr;
  params.items[params.size++].value = left.any ? left.text : Slice{};
  return &node.rest;
}

}  // namespace

struct Router::Impl {
  TextMap<Node> hosts;     // exact names
  TextMap<Node> suffixes;  // ".example.com" of "*.example.com"
  Node any;
};

std::optional<Slice> PathParams::value(Slice name) const noexcept {
  const auto* found = std::ranges::find(*this, name, &Param::name);
  return found == end() ? std::nullopt : std::optional(found->value);
}

Router::Router() : impl_(std::make_unique<Impl>()) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

Router::Router(const std::vector<Entry>& entries) : impl_(std::make_unique<Impl>()) {
  for (const Entry& entry : entries) {
    if (entry.host.empty()) {
      insert(impl_->any, entry);
    } else if (entry.host.starts_with("*.")) {
      insert(impl_->suffixes[entry.host.substr(1)], entry);
    } else {
      insert(impl_->hosts[entry.host], entry);
    }
  }
}

Router::Match Router::find(Slice host, Slice path, http::Method method, Slice method_text,
                           PathParams& params) const {
  params.size = 0;
  const Remaining whole = path.size() > 1 ? Remaining{true, path.substr(1)} : Remaining{false, {}};
  const Leaf* leaf = nullptr;
  if (auto exact = impl_->hosts.find(host); exact != impl_->hosts.end())
    leaf = walk(exact->second, whole, params);
  if (!impl_->suffixes.empty()) {
    for (size_t dot = host.find('.'); leaf == nullptr && dot != Slice::npos; dot = host.find('.', dot + 1)) {
      if (auto suffix = impl_->suffixes.find(host.substr(dot)); suffix != impl_->suffixes.end()) {
        leaf = walk(suffix->second, whole, params);
      }
    }
  }
  if (leaf == nullptr) leaf = walk(impl_->any, whole, params);
  if (leaf == nullptr) return {};
  const Target* target = leaf->find(method, method_text);
  if (target == nullptr) return {nullptr, leaf->allow};
  for (size_t i = 0; i < params.size; ++i) params.items[i].name = target->names[i];
  return {target->route, {}};
}

}  // namespace sallyport
