// limit: how often a caller may call.
//
//   limit: [per-client]                 names of the config's `limits`; all of them must allow a request
//   limit: { use: [per-client], mode: shadow }
//   limit: []                           none
//
// A refused request takes nothing from any bucket. Buckets are in the process (`store: memory`, table.h) or
// in Redis (shared.h), so that any number of gateways share them.
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& limit_plugin();

}  // namespace sallyport
