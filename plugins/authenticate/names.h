// Names: what a client, a role and a scope may be called, so that a backend reads in its headers what was
// meant. Pure; any thread.
#pragma once

#include <string_view>

namespace sallyport {

// What is wrong with the name of a client, as in "the client …"; empty: nothing.
std::string_view wrong_with_client(std::string_view name) noexcept;
// The same of a role or a scope, which stand in one header with others: "a,b" and "x y".
std::string_view wrong_with_word(std::string_view word) noexcept;

}  // namespace sallyport
