// Where nghttp2 takes its memory from: the thread's free lists (base/small_pool.h), because it asks for the
// same few sizes with each stream. For h2_*.cc only; a session is made, used and ended on one thread.
#pragma once

#include <nghttp2/nghttp2.h>

namespace sallyport::http::h2 {

// For nghttp2_session_*_new3(), which copies it.
nghttp2_mem pooled_memory() noexcept;

}  // namespace sallyport::http::h2
