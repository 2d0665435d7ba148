// Problem: from an Error to what the client sees. The one place where a code becomes a status (RFC 9457).
#pragma once

#include "gateway/base/error.h"

namespace sallyport {

class Exchange;
struct Refusal;

// Makes x.response the problem document for the error; the refusal's headers and violations go with it, if
// there is one.
void write_problem(Exchange& x, const Error& error, const Refusal* refusal);

}  // namespace sallyport
