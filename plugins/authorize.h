// authorize: what the caller may do.
//
//   authorize: { roles: [clerk, admin], scopes: [orders:write] }   any of the roles and all of the scopes
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& authorize_plugin();

}  // namespace sallyport
