// Checkout: when an exchange is ready to take a connection of its upstream. One worker's thread.
#pragma once

#include "gateway/async/task.h"
#include "gateway/base/error.h"
#include "gateway/core/exchange.h"
#include "gateway/upstream/cluster.h"

namespace sallyport::upstream {

// Waits until there is something to send: the first piece of the request's content, or that there is none.
// Nobody holds a connection by content that does not come. Errors: those of the content; client_gone.
Task<Result<void>> ready_to_send(Exchange& x, Cluster& cluster);

// True if the client has ended its sending where that means that it has left. An end that comes while the
// backend is waited for is told to the client's connection; this one came together with the last bytes of the
// request.
bool is_gone(const Exchange& x) noexcept;
std::unexpected<Error> gone();

}  // namespace sallyport::upstream
