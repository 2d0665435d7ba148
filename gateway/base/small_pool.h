// FramePool: the free list that coroutine frames come from, one for each thread; and nghttp2's memory
// (http/h2_memory.h).
//
// A promise's operator new has no way to reach its worker, so the list is thread_local: it holds raw memory
// only, no state that anything depends on. A frame must be freed on the thread that made it, which holds
// because a task belongs to one worker.
#pragma once

#include <cstddef>

namespace sallyport::frame_pool {

void* allocate(size_t bytes);
void release(void* frame, size_t bytes) noexcept;

}  // namespace sallyport::frame_pool
