// The plugins there are. Explicit: nothing registers itself.
#pragma once

#include <span>

#include "gateway/core/plugin.h"

namespace sallyport {

// In the order of their bands. Static; any thread.
std::span<const PluginType* const> all_plugins();

}  // namespace sallyport
