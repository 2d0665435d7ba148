#include "gateway/config/load_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "gateway/base/text.h"

namespace sallyport::config {
namespace {

// The methods that a route can name: RFC 9110, PATCH (RFC 5789), QUERY, and what WebDAV adds. CONNECT is not
// for a gateway.
constexpr std::array<std::string_view, 20> known_methods = {
    "GET",       "HEAD",  "POST", "PUT",  "DELETE", "OPTIONS", "PATCH",  "TRACE",  "QUERY",    "PROPFIND",
    "PROPPATCH", "MKCOL", "COPY", "MOVE", "SEARCH", "LOCK",    "UNLOCK", "REPORT", "CHECKOUT", "MKCALENDAR"};

// Plugin blocks, as the value of `defaults` or as the other keys of a route.
struct PluginBlocks {
  std::span<const std::string_view> keys;
  std::vector<PluginBlock>& blocks;

  void fields(Reader& reader) {
    for (std::string_view key : keys) reader.ignore(key);
    for (const Node::Member& member : reader.node().members) {
      if (std::ranges::find(keys, member.name) == keys.end()) continue;
      Reader child = reader.at(member.name);
      PluginBlock& block = blocks.emplace_back(member.name, nullptr, child.path());
      child.value(block.block);
    }
  }
};

struct RouteFields {
  std::span<const std::string_view> keys;
  Route& route;

  void fields(Reader& reader) {
    route.mark = reader.node().mark;
    reader.required("name", route.name);
    reader.required("match", route.match);
    PluginBlocks{keys, route.plugins}.fields(reader);
  }
  void check(Reader& reader) {
    for (const std::string_view key : keys) {
      if (reader.is_misspelt(key)) route.misspelt.emplace_back(key);
    }
    if (route.name == "none")
      reader.error_at("name",
                      "\"none\" is what logs and metrics call requests without a route: name it otherwise");
    if (!reader.has("name") || is_name(route.name)) return;
    reader.error_at("name", fmt::format("\"{}\" is no name: 1 to 64 letters, digits, \"_\", \"-\" and \".\"",
                                        text::printable(route.name)));
  }
};

// A route that says how it answers takes no other answer from the defaults.
bool excluded(const Route& route, std::string_view key) noexcept {
  if (route.plugin(key) != nullptr) return true;
  return (key == "forward" && route.plugin("respond") != nullptr) ||
         (key == "respond" && route.plugin("forward") != nullptr);
}

std::string shown(const Route& route) { return fmt::format("\"{}\"", text::printable(route.name)); }

void check_names(const Model& model, Problems& problems) {
  std::unordered_map<std::string_view, const Route*> seen;
  for (const Route& route : model.routes) {
    if (route.name.empty()) continue;
    const auto [first, fresh] = seen.emplace(route.name, &route);
    if (fresh) continue;
    problems.add(route.mark, fmt::format("a second route is called {}: the first is at line {}", shown(route),
                                         first->second->mark.line));
  }
}

// It has such a block, or one that is meant to be it.
bool has_some(const Route& route, std::string_view key) {
  return route.plugin(key) != nullptr || std::ranges::find(route.misspelt, key) != route.misspelt.end();
}

bool has_policy(const Route& route, std::string_view key) {
  const std::string_view mode = mode_of(route, key);
  return !mode.empty() && mode != "off";
}

void check_answers(const Model& model, Problems& problems) {
  for (const Route& route : model.routes) {
    if (!has_some(route, "authenticate")) {
      problems.add(route.mark,
                   fmt::format("route {} says nothing about who may call it: add authenticate: … or "
                               "authenticate: public",
                               shown(route)));
    }
    const bool asks_nobody = mode_of(route, "authenticate") == "off";
    if ((is_public(route) || asks_nobody) && has_policy(route, "authorize")) {
      problems.add(
          route.mark,
          fmt::format("route {} {}, so that nobody has the roles or scopes that its authorize asks for: "
                      "{}, or say authorize: {{ mode: off }}",
                      shown(route),
                      asks_nobody ? "asks nobody who calls (authenticate.mode: off)" : "is public",
                      asks_nobody ? "say another mode" : "name an authenticator"));
    }
    const bool forwards = route.plugin("forward") != nullptr;
    const bool responds = route.plugin("respond") != nullptr;
    if (!has_some(route, "forward") && !has_some(route, "respond")) {
      problems.add(route.mark,
                   fmt::format("route {} says nothing about what answers: add forward: … or respond: …",
                               shown(route)));
    }
    if (forwards && responds) {
      problems.add(route.mark,
                   fmt::format("route {} has both forward and respond: it can have one", shown(route)));
    }
  }
}

// Who already takes the requests of one host and path, by method; under "" who takes all methods.
using Takers = std::unordered_map<std::string_view, const Route*>;

// The route that takes a request which `route` would take as well, or null.
const Route* taken_by(const Takers& takers, const Route& route) {
  if (auto all = takers.find(""); all != takers.end()) return all->second;
  if (route.match.methods.empty() && !takers.empty()) return takers.begin()->second;
  for (const std::string& method : route.match.methods) {
    if (auto found = takers.find(method); found != takers.end()) return found->second;
  }
  return nullptr;
}

void check_conflicts(const Model& model, Problems& problems) {
  std::unordered_map<std::string, Takers> places;
  for (const Route& route : model.routes) {
    if (route.match.path.text.empty()) continue;
    Takers& takers = places[route.match.host + route.match.path.shape()];
    if (const Route* other = taken_by(takers, route)) {
      problems.add(
          route.match.mark,
          fmt::format("routes {} and {} match the same requests: {} and {}{}", shown(*other), shown(route),
                      text::printable(other->match.path.text), text::printable(route.match.path.text),
                      route.match.host.empty() ? "" : fmt::format(" of {}", route.match.host)));
      continue;
    }
    if (route.match.methods.empty()) takers.emplace("", &route);
    for (const std::string& method : route.match.methods) takers.emplace(method, &route);
  }
}

// RFC 1123 names in lower case, perhaps behind "*."; or an address as a Host header has it.
const char* wrong_with_host(std::string_view host) {
  if (host.starts_with('[')) {
    const bool good = host.ends_with(']') && host.find_first_not_of("0123456789abcdef:.[]") == host.npos;
    return good ? nullptr : "expected a host name without a port";
  }
  if (host.starts_with("*.")) host.remove_prefix(2);
  if (host.contains('*')) return "\"*\" can only stand for the first labels, as in \"*.example.com\"";
  if (host.contains(':')) return "expected a host name without a port: a route is the same on all of them";
  if (host.empty() || host.size() > 253 || host.starts_with('.') || host.ends_with('.') ||
      host.contains("..")) {
    return "expected a host name such as api.example.com or \"*.example.com\"";
  }
  const bool good = std::ranges::all_of(host, [](char c) {
    return text::is_alpha(c) || text::is_digit(c) || c == '-' || c == '.' || c == '_';
  });
  return good ? nullptr : "expected a host name such as api.example.com or \"*.example.com\"";
}

void check_method(Reader& reader, const std::string& method) {
  if (std::ranges::find(known_methods, method) != known_methods.end()) return;
  std::string upper;
  for (char c : method) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
  const bool case_only = std::ranges::find(known_methods, upper) != known_methods.end();
  const std::vector<std::string> known(known_methods.begin(), known_methods.end());
  const auto nearest = text::nearest(upper, known);
  std::string message = fmt::format("\"{}\" is not a method that can be routed", text::printable(method));
  if (case_only)
    message += fmt::format(": methods are case-sensitive, write {}", upper);
  else if (nearest)
    message += fmt::format("; did you mean {}?", *nearest);
  reader.error(std::move(message));
}

}  // namespace

void Match::check(Reader& reader) {
  mark = reader.node().mark;
  host = text::to_lower(host);
  if (const Node* node = reader.node().find("host"); node != nullptr && node->is_scalar()) {
    if (const char* wrong = wrong_with_host(host)) {
      reader.error_at("host", fmt::format("host \"{}\": {}", text::printable(host), wrong));
    }
  }
  if (parameters == PathParameters::refuse && path.text.contains(';')) {
    reader.error_at("path", fmt::format("path \"{}\" has a \";\", which is refused: add parameters: keep",
                                        text::printable(path.text)));
  }
  const Node* list = reader.node().find("methods");
  if (list == nullptr || !list->is_list()) return;
  if (list->items.empty()) reader.error_at("methods", "methods: leave the key out for all methods");
  Reader entries = reader.at("methods");
  for (size_t i = 0; i < methods.size(); ++i) {
    Reader entry = entries.at(i);
    if (entry.node().is_scalar() && entry.node().kind != Node::Kind::null) check_method(entry, methods[i]);
    if (std::find(methods.begin(), methods.begin() + static_cast<ptrdiff_t>(i), methods[i]) !=
        methods.begin() + static_cast<ptrdiff_t>(i)) {
      entry.error(fmt::format("\"{}\" is there twice", text::printable(methods[i])));
    }
  }
}

bool is_public(const Route& route) {
  const PluginBlock* block = route.plugin("authenticate");
  return block != nullptr && block->block != nullptr && block->block->is_scalar() &&
         block->block->text == "public";
}

std::string_view mode_of(const Route& route, std::string_view key) {
  const PluginBlock* block = route.plugin(key);
  if (block == nullptr || block->block == nullptr) return "";
  const Node* mode = block->block->find("mode");
  return mode == nullptr || mode->text.empty() ? std::string_view("enforce") : std::string_view(mode->text);
}

// What authorizes refuses whoever is not known.
bool lets_everybody_past(const Route& route) {
  const std::string_view mode = mode_of(route, "authenticate");
  return is_public(route) ||
         ((mode == "off" || mode == "shadow") && mode_of(route, "authorize") != "enforce");
}

bool asks_who_calls(const Route& route) {
  return !mode_of(route, "authenticate").empty() && !lets_everybody_past(route);
}

void read_defaults(Reader& root, std::span<const std::string_view> plugin_keys,
                   std::span<const std::string_view> everywhere, Model& model) {
  std::vector<PluginBlock> blocks;
  if (root.has("defaults")) {
    PluginBlocks fields{plugin_keys, blocks};
    root.at("defaults").value(fields);
  }
  for (PluginBlock& block : blocks) model.defaults.emplace_back(std::move(block.key), std::move(block.block));
  Node nothing;
  nothing.kind = Node::Kind::map;
  for (const std::string_view key : everywhere) {
    if (std::ranges::find(model.defaults, key, &std::pair<std::string, Raw>::first) == model.defaults.end())
      model.defaults.emplace_back(key, std::make_shared<const Node>(nothing));
  }
}

void read_routes(Reader& root, std::span<const std::string_view> plugin_keys, Model& model) {
  if (!root.has("routes")) return;
  Reader list = root.at("routes");
  if (!list.expect(Node::Kind::list)) return;
  for (size_t i = 0; i < list.node().items.size(); ++i) {
    if (!list.at(i).expect(Node::Kind::map)) continue;  // nothing more is to be told of it
    Route& route = model.routes.emplace_back();
    RouteFields fields{plugin_keys, route};
    list.at(i).value(fields);
    std::vector<PluginBlock> inherited;
    for (const auto& [key, block] : model.defaults) {
      if (!excluded(route, key)) inherited.push_back({key, block, "defaults." + key});
    }
    for (PluginBlock& block : inherited) route.plugins.push_back(std::move(block));
  }
}

void check_routes(const Model& model, Problems& problems) {
  check_names(model, problems);
  check_answers(model, problems);
  check_conflicts(model, problems);
}

}  // namespace sallyport::config
