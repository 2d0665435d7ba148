// serve: the life of a request. See serve.cc; it fits on one screen.
#pragma once

#include "gateway/async/task.h"
#include "gateway/core/exchange.h"

namespace sallyport {

// x.request is there (or x.answered already, for one that could not be read); on return the answer has been
// sent, counted and logged. If the task is destroyed before, the client has left: that is counted and logged
// too.
Task<> serve(Exchange& x);

}  // namespace sallyport
