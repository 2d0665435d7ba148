// The standard streams: there from the start, and asked in the end whether they took what was printed.
//
// Main thread, while it is alone.
#pragma once

#include <string>
#include <string_view>

namespace sallyport {

// Where stdin, stdout or stderr is closed, /dev/null takes its place: no socket and no file of ours gets its
// number, and what is written there. A reader that has gone is a failure to write, and does not end us. To be
// called before anything is opened.
void open_standard_streams() noexcept;

// To stderr; where that fails, there is nobody to tell.
void tell(std::string_view text) noexcept;

// Writes what stdout still keeps. Why not all that was printed there has got out; empty: it has.
std::string wrong_with_stdout();

}  // namespace sallyport
