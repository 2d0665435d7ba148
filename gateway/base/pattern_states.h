// Whether a pattern is matched in constant time a byte: its automaton has few states, which RE2 then makes
// once each and keeps. Pure; for the start, not for the path of a request.
#pragma once

#include <string_view>

namespace sallyport {

// True if a deterministic automaton for it has two thousand states at most, in the direction in which RE2
// reads: from the end, if the pattern ends with "$" and does not begin with "^". False if it has more
// ("x.{8,20}y" keeps in mind where each of the last x stood), and for syntax that is not understood here. RE2
// takes the expression.
bool has_few_states(std::string_view expression);

}  // namespace sallyport
