// Host names, as they are looked up.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace sallyport {

// RFC 1123 section 2.1; "_" is let through, as names in clusters have it, and a dot at the end. What ends in
// a number is an address that is written wrong, and no name.
bool is_host_name(std::string_view host) noexcept;

// IPv4 as four decimal numbers, or IPv6 without brackets.
bool is_numeric_host(std::string_view host) noexcept;

// Such an address in its one spelling (RFC 5952); anything else as it is.
std::string numeric_host(std::string host);

}  // namespace sallyport
