// record: what is kept of a request once it is over: its counters and its line in the access log.
#pragma once

#include "gateway/core/exchange.h"

namespace sallyport {

// Once an exchange, after its end; x.route is set.
void record(const Exchange& x) noexcept;

}  // namespace sallyport
