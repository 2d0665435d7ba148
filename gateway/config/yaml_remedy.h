// yaml_remedy: what to do about a YAML syntax error, which the parser only names.
//
// Pure; for yaml.cc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::config {

// The parser's message, and behind it what is most likely meant. line and column are counted from 0.
std::string with_remedy(std::string_view message, std::string_view text, size_t line, size_t column);

}  // namespace sallyport::config
