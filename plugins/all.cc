#include "plugins/all.h"

#include <array>

#include "plugins/body.h"
#include "plugins/respond.h"

namespace sallyport {

std::span<const PluginType* const> all_plugins() {
  static const std::array<const PluginType*, 2> all = {&body_plugin(), &respond_plugin()};
  return all;
}

}  // namespace sallyport
