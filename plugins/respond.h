// respond: an answer of the gateway's own, instead of forwarding.
//
//   respond: { status: 204 }
//   respond: { status: 200, content_type: text/plain, body: "pong\n", headers: { Cache-Control: no-store } }
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& respond_plugin();

}  // namespace sallyport
