// What is valid in a config and unwise, outside of its routes: who is trusted, and what has no effect.
//
// For load.cc only. Main thread.
#pragma once

#include "gateway/config/model.h"
#include "gateway/config/problems.h"

namespace sallyport::config {

// document: what the model was read from.
void warn_of_model(const Node& document, const Model& model, Problems& problems);

}  // namespace sallyport::config
