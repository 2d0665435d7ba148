// Ranges: how far a number of the config may go, told in one way for all keys.
//
// base/units.h keeps what is made of a value from overflowing; this is about what makes sense. For the
// check() of a struct. Pure; what is wrong is told to the reader.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/base/units.h"
#include "gateway/config/reader.h"

namespace sallyport::config {

constexpr Duration longest_wait = std::chrono::hours(24);

// How long something may be waited for: longer than 0, a day at most.
void check_wait(Reader& reader, std::string_view key, Duration value);
void check_between(Reader& reader, std::string_view key, uint64_t value, uint64_t least, uint64_t most);
void check_between(Reader& reader, std::string_view key, Bytes value, Bytes least, Bytes most);
void check_between(Reader& reader, std::string_view key, Duration value, Duration least, Duration most);

}  // namespace sallyport::config
