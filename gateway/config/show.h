// show: the effective config as YAML: defaults filled in, secrets as their references. Reading it back gives
// the same.
//
// `defaults` is not in it: each route is shown with all blocks that are in force there. Pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/config/model.h"
#include "gateway/config/node.h"

namespace sallyport::config {

// A block that belongs to a plugin: of a route (name: the plugin's), an authenticator or a limit (name: its
// own).
struct ShownBlock {
  enum class Kind : uint8_t { plugin, authenticator, limit };
  Kind kind;
  std::string_view name;
  const Node& block;        // as written
  const std::string& path;  // where: "routes[3].limit", "limits.per-client"
};

// The block with the plugin's defaults filled in; nullopt: show it as it is written.
using DescribeBlock = std::function<std::optional<Node>(const ShownBlock&)>;

std::string show(const Model& model, const DescribeBlock& describe = {});

// One struct of the model as YAML: to tell whether a block has changed between two configs.
template <class T>
std::string yaml_of(const T& value) {
  T copy = value;
  Writer writer;
  writer.value(copy);
  return writer.text();
}

}  // namespace sallyport::config
