// The plugin types that routes can name: those of plugins/all.cc, and forward.
#pragma once

#include <string_view>
#include <vector>

#include "gateway/core/plugin.h"

namespace sallyport::server {

// In the order of the bands. Static; any thread.
const std::vector<const PluginType*>& plugin_types();
std::vector<std::string_view> plugin_keys();
std::vector<std::string_view> keys_everywhere();  // of those that stand on every route

}  // namespace sallyport::server
