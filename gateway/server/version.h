// version: Sallyport's own version and those of the libraries it runs on.
#pragma once

#include <string>

namespace sallyport::server {

// "0.1.0"
std::string version();
// One line for each library, as found at run time where the library can tell.
std::string library_versions();

}  // namespace sallyport::server
