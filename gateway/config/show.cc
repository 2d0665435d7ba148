#include "gateway/config/show.h"

#include <utility>

namespace sallyport::config {
namespace {

template <class T>
Node node_of(T& value) {
  Writer writer;
  writer.value(value);
  return writer.take();
}

Node described(const DescribeBlock& describe, ShownBlock::Kind kind, std::string_view name, const Node& block,
               const std::string& path) {
  if (describe) {
    if (auto node = describe({kind, name, block, path})) return std::move(*node);
  }
  return block;
}

Node text_node(std::string text) {
  Node node;
  node.kind = Node::Kind::string;
  node.text = std::move(text);
  return node;
}

Node map_node() {
  Node node;
  node.kind = Node::Kind::map;
  return node;
}

void add(Node& map, std::string name, Node value) {
  Node::Member& member = map.members.emplace_back();
  member.name = std::move(name);
  member.value = std::move(value);
}

Node route_node(Route& route, const DescribeBlock& describe) {
  Node node = map_node();
  add(node, "name", text_node(route.name));
  add(node, "match", node_of(route.match));
  for (const PluginBlock& plugin : route.plugins) {
    add(node, plugin.key,
        described(describe, ShownBlock::Kind::plugin, plugin.key, *plugin.block, plugin.path));
  }
  return node;
}

// The blocks under `key` of the document, each as its owner describes it.
void describe_all(Node& document, std::string_view key, ShownBlock::Kind kind,
                  const DescribeBlock& describe) {
  for (Node::Member& section : document.members) {
    if (section.name != key) continue;
    for (Node::Member& entry : section.value.members) {
      const std::string path = section.name + "." + entry.name;
      entry.value = described(describe, kind, entry.name, entry.value, path);
    }
  }
}

}  // namespace

std::string show(const Model& model, const DescribeBlock& describe) {
  Model copy = model;  // a description works on what can be changed
  Node document = node_of(copy);
  describe_all(document, "authenticators", ShownBlock::Kind::authenticator, describe);
  describe_all(document, "limits", ShownBlock::Kind::limit, describe);
  Node routes;
  routes.kind = Node::Kind::list;
  for (Route& route : copy.routes) routes.items.push_back(route_node(route, describe));
  add(document, "routes", std::move(routes));
  Writer writer;
  writer.value(std::make_shared<const Node>(std::move(document)));
  return writer.text();
}

}  // namespace sallyport::config
