#include "plugins/all.h"

#include <array>

#include "plugins/authenticate/authenticate.h"
#include "plugins/authorize.h"
#include "plugins/body.h"
#include "plugins/limit/limit.h"
#include "plugins/respond.h"
#include "plugins/validate/validate.h"

namespace sallyport {

std::span<const PluginType* const> all_plugins() {
  static const std::array<const PluginType*, 6> all = {&body_plugin(),      &authenticate_plugin(),
                                                       &authorize_plugin(), &limit_plugin(),
                                                       &validate_plugin(),  &respond_plugin()};
  return all;
}

}  // namespace sallyport
