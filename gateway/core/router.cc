#include "gateway/core/router.h"

#include <fmt/format.h>

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

// The routes of one path and host, by method.
struct Methods {
  struct Entry {
    http::Method method;
    std::string name;  // of a method that is not registered
    size_t target;
  };
  static constexpr size_t none = ~size_t{0};
  std::vector<Target> targets;
  std::vector<Entry> entries;
  size_t any = none;  // the target that takes all other methods

  const Target* find(http::Method method, Slice text) const noexcept {
    for (const Entry& e : entries) {
      if (e.method == method && (method != http::Method::other || e.name == text)) return &targets[e.target];
    }
    return any == none ? nullptr : &targets[any];
  }
};

// What routes ask of the host, each with the next wider one: a name, all below a name, any.
class Hosts {
 public:
  static constexpr size_t any = 0;
  void add(const std::string& host) {
    if (host.starts_with("*."))
      suffixes_.try_emplace(host.substr(1), size());
    else if (!host.empty())
      names_.try_emplace(host, size());
  }
  // Once all are there.
  void close() {
    wider_.resize(size());
    for (const auto& [name, number] : names_) wider_[number] = find_suffix(name, 0);
    for (const auto& [suffix, number] : suffixes_) wider_[number] = find_suffix(suffix, 1);
  }
  size_t of(const std::string& host) const {
    if (host.empty()) return any;
    return host.starts_with("*.") ? suffixes_.at(host.substr(1)) : names_.at(host);
  }
  // The narrowest that a request's host meets.
  size_t find(Slice host) const noexcept {
    const auto name = names_.find(host);
    return name != names_.end() ? name->second : find_suffix(host, 0);
  }
  size_t wider(size_t number) const noexcept { return wider_[number]; }

 private:
  size_t size() const noexcept { return 1 + names_.size() + suffixes_.size(); }
  size_t find_suffix(Slice host, size_t from) const noexcept {
    if (suffixes_.empty()) return any;
    for (size_t dot = host.find('.', from); dot != Slice::npos; dot = host.find('.', dot + 1)) {
      if (const auto found = suffixes_.find(host.substr(dot)); found != suffixes_.end()) return found->second;
    }
    return any;
  }

  TextMap<size_t> names_;
  TextMap<size_t> suffixes_;  // ".example.com" of "*.example.com"
  std::vector<size_t> wider_ = {any};
};

// The routes of one path, by the number of their host.
class Leaf {
 public:
  bool empty() const noexcept { return hosts_.empty(); }
  const Methods* find(size_t host) const noexcept {
    const auto at = std::ranges::lower_bound(hosts_, host, {}, &Of::host);
    return at == hosts_.end() || at->host != host ? nullptr : &at->methods;
  }
  Methods& of(size_t host) {
    const auto at = std::ranges::lower_bound(hosts_, host, {}, &Of::host);
    return at != hosts_.end() && at->host == host ? at->methods : hosts_.insert(at, Of{host, {}})->methods;
  }

 private:
  struct Of {
    size_t host;
    Methods methods;
  };
  std::vector<Of> hosts_;  // in the order of their numbers
};

struct Node {
  TextMap<std::unique_ptr<Node>> literals;
  std::unique_ptr<Node> param;
  Leaf here;  // the path ends here
  Leaf rest;  // {name...} takes what remains
};

void add_methods(Methods& here, const Router::Entry& entry) {
  const size_t place = here.targets.size();
  Target& target = here.targets.emplace_back(Target{entry.route, {}});
  for (const Segment& s : entry.path->segments) {
    if (s.kind != Segment::Kind::literal) target.names.push_back(s.text);
  }
  if (entry.methods.empty()) here.any = place;
  for (const std::string& name : entry.methods) {
    here.entries.push_back({http::method_from(name), name, place});
  }
}

void insert(Node& root, size_t host, const Router::Entry& entry) {
  Node* node = &root;
  for (const Segment& s : entry.path->segments) {
    if (s.kind == Segment::Kind::rest) return add_methods(node->rest.of(host), entry);
    std::unique_ptr<Node>& next = s.kind == Segment::Kind::param ? node->param : node->literals[s.text];
    if (next == nullptr) next = std::make_unique<Node>();
    node = next.get();
  }
  if (entry.path->trailing_slash) {
    std::unique_ptr<Node>& next = node->literals[""];
    if (next == nullptr) next = std::make_unique<Node>();
    node = next.get();
  }
  add_methods(node->here.of(host), entry);
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

// The hosts of routes that a request may have: its own number, and the wider ones.
struct Reach {
  const Hosts& hosts;
  size_t narrowest;

  // Calls `take` with the routes of each, from the narrowest on, until it gives true; gives that.
  template <class Take>
  bool any_of(const Leaf& leaf, Take take) const {
    if (leaf.empty()) return false;
    for (size_t host = narrowest;; host = hosts.wider(host)) {
      const Methods* found = leaf.find(host);
      if (found != nullptr && take(*found)) return true;
      if (host == Hosts::any) return false;
    }
  }
  bool meets(const Leaf& leaf) const {
    return any_of(leaf, [](const Methods&) { return true; });
  }
};

// The most specific leaf that the path reaches. A node of the tree is reached by one way only, so that no
// path is tried twice; the depth is bounded by the patterns'.
const Leaf* walk(const Node& node, Remaining left, const Reach& reach, PathParams& params) {
  if (!left.any) {
    if (reach.meets(node.here)) return &node.here;
  } else {
    const Slice segment = left.text.substr(0, left.text.find('/'));
    if (auto next = node.literals.find(segment); next != node.literals.end()) {
      if (const Leaf* leaf = walk(*next->second, behind(left.text), reach, params)) return leaf;
    }
    if (node.param != nullptr && !segment.empty() && params.size < PathParams::max) {
      params.items[params.size++].value = segment;
      if (const Leaf* leaf = walk(*node.param, behind(left.text), reach, params)) return leaf;
      --params.size;
    }
  }
  if (params.size >= PathParams::max || !reach.meets(node.rest)) return nullptr;
  params.items[params.size++].value = left.any ? left.text : Slice{};
  return &node.rest;
}

std::string all_methods(const Reach& reach, const Leaf& leaf) {
  std::vector<std::string_view> names;
  reach.any_of(leaf, [&](const Methods& methods) {
    for (const Methods::Entry& e : methods.entries) {
      if (std::ranges::find(names, e.name) == names.end()) names.push_back(e.name);
    }
    return false;
  });
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

struct Router::Impl {
  Hosts hosts;
  Node root;
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
  for (const Entry& entry : entries) impl_->hosts.add(entry.host);
  impl_->hosts.close();
  for (const Entry& entry : entries) insert(impl_->root, impl_->hosts.of(entry.host), entry);
}

Router::Match Router::find(Slice host, Slice path, http::Method method, Slice method_text,
                           PathParams& params) const {
  params.size = 0;
  const Remaining whole = path.size() > 1 ? Remaining{true, path.substr(1)} : Remaining{false, {}};
  const Reach reach{impl_->hosts, impl_->hosts.find(host)};
  const Leaf* leaf = walk(impl_->root, whole, reach, params);
  if (leaf == nullptr) return {};
  const Target* target = nullptr;
  const bool found = reach.any_of(*leaf, [&](const Methods& methods) {
    target = methods.find(method, method_text);
    return target != nullptr;
  });
  if (!found) return {nullptr, all_methods(reach, *leaf)};
  for (size_t i = 0; i < params.size; ++i) params.items[i].name = target->names[i];
  return {target->route, {}};
}

}  // namespace sallyport
