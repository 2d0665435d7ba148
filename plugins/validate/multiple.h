// The number of a multipleOf, and which numbers are its multiples.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace sallyport {

struct Multiple {
  long double of = 0;
  // As it is written, digits/power, where it is a decimal fraction of which both can be had. digits 0: it is
  // not.
  uint64_t digits = 0;
  uint64_t power = 1;  // of ten, 10^18 at most

  // text: a number above 0 as JSON writes it, whose value `of` is.
  static Multiple parse(std::string_view text, long double of);
  // True of a multiple, and of the double that is nearest to one. Where a double cannot tell them from what
  // stands between them, false.
  bool has(long double value) const noexcept;
};

}  // namespace sallyport
