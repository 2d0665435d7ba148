// Certificates in PEM (RFC 7468), as far as somebody wants to know of a file before it is used. Any thread.
#pragma once

#include <string_view>

namespace sallyport::crypto {

// True if there is at least one certificate in it, and none that cannot be read.
bool holds_certificates(std::string_view pem);

}  // namespace sallyport::crypto
