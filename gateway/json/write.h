// Writing JSON: text as a string literal. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::json {

// Appends `text` with its quotes, escaped (base/escape.h).
void append_string(std::string& out, std::string_view text);

}  // namespace sallyport::json
