// How the text of a parameter is written: JSON has several spellings of one number, of which backends read
// some otherwise ("100000e-5" is 1, and 100000 to atoi).
//
// Pure; any thread.
#pragma once

#include "gateway/base/bytes.h"
#include "plugins/validate/schema.h"

namespace sallyport {

// True if every backend reads the text as the value that the schema is asked about, if it is one at all:
// without blanks around it; a number without an exponent, and of no more digits than are compared exactly; of
// a schema that takes whole numbers only, digits.
bool is_read_alike(const Schema& schema, Slice text) noexcept;

}  // namespace sallyport
