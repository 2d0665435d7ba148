// forward: the innermost layer of a route: chooses an endpoint, connects, sends the request as it was
// understood, receives the answer's head; its content stays a stream.
//
//   forward: { to: orders, timeout: 10s, credentials: remove }
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport::upstream {

const PluginType& forward_plugin();

}  // namespace sallyport::upstream
