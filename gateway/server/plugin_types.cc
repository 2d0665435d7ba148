#include "gateway/server/plugin_types.h"

#include <algorithm>

#include "gateway/upstream/forward.h"
#include "plugins/all.h"

namespace sallyport::server {

const std::vector<const PluginType*>& plugin_types() {
  static const std::vector<const PluginType*> types = [] {
    std::vector<const PluginType*> all(all_plugins().begin(), all_plugins().end());
    all.push_back(&upstream::forward_plugin());
    for (auto type = all.begin(); type != all.end(); ++type) {  // stable, and short
      std::rotate(std::ranges::upper_bound(all.begin(), type, (*type)->band, {}, &PluginType::band), type,
                  type + 1);
    }
    return all;
  }();
  return types;
}

std::vector<std::string_view> plugin_keys() {
  std::vector<std::string_view> keys;
  for (const PluginType* type : plugin_types()) keys.push_back(type->name);
  return keys;
}

std::vector<std::string_view> keys_everywhere() {
  std::vector<std::string_view> keys;
  for (const PluginType* type : plugin_types()) {
    if (type->everywhere) keys.push_back(type->name);
  }
  return keys;
}

}  // namespace sallyport::server
