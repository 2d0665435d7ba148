// Offload: work that would block (getaddrinfo, reading a file) runs on libuv's thread pool.
#pragma once

#include <functional>
#include <memory>

#include "gateway/async/loop.h"
#include "gateway/async/task.h"

namespace sallyport {

// Runs `work` on another thread and comes back to this loop's thread. If the task is cancelled meanwhile, the
// work still ends over there; what it captured must therefore be its own (shared_ptr, copies).
Task<> offload(Loop& loop, std::move_only_function<void()> work);

}  // namespace sallyport
