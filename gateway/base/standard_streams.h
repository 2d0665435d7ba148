// The standard streams: there from the start, and asked in the end whether they took what was printed.
//
// Main thread, while it is alone.
#pragma once

#include <string>

namespace sallyport {

// Where stdin, stdout or stderr is closed, /dev/null takes its place: no socket and no file of ours gets its
// number, and what is written there. To be called before anything is opened.
void open_standard_streams() noexcept;

// Writes what stdout still keeps. Why not all that was printed there has got out; empty: it has.
std::string wrong_with_stdout();

}  // namespace sallyport
