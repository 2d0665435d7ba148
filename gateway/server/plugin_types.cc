#include "gateway/server/plugin_types.h"

#include <algorithm>

#include "gateway/upstream/forward.h"
#include "plugins/all.h"

namespace sallyport::server {

const std::vector<const PluginType*>& plugin_types() {
  static const std::vector<const PluginType*> types = [] {
    std::vector<const PluginType*> all(all_plugins().begin(), all_plugins().end());
    all.push_back(&upstream::forward_plugin());
    std::ranges::stable_sort(all, {}, &PluginType::band);
    return all;
  }();
  return types;
}

std::vector<std::string_view> plugin_keys() {
  std::vector<std::string_view> keys;
  for (const PluginType* type : plugin_types()) keys.push_back(type->name);
  return keys;
}

}  // namespace sallyport::server
