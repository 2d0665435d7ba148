// body: how much content a route takes.
//
//   body: { max: 256KiB }
//
// Stands on every route. Content whose length is known is refused before any of it is asked for; chunked
// content when it grows beyond, whoever reads it then.
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& body_plugin();

}  // namespace sallyport
