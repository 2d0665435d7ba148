// memory_limit: how much memory the machine, or the container, has for this process.
#pragma once

#include <cstddef>

namespace sallyport::server {

// The smallest of the machine's memory and the limits of the control groups that this process is in (v2
// memory.max, v1 memory.limit_in_bytes).
size_t memory_limit();

}  // namespace sallyport::server
