// body: how much content a route takes.
//
//   body: { max: 256KiB }
//
// Stands on every route. Content whose length is known is refused before any of it is asked for; chunked
// content when it grows beyond, whoever reads it then.
#pragma once

#include <optional>

#include "gateway/base/units.h"
#include "gateway/config/node.h"
#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& body_plugin();

// How much a route with this block lets through; nothing: any amount, or the block is wrong.
std::optional<Bytes> body_limit(const config::Node& block);

}  // namespace sallyport
