// What `sallyport check` says of a config that is one listener and what a test writes behind it.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/support/conf.h"

namespace sallyport::test {

inline constexpr std::string_view head =
    "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, plaintext: true }]\n";

inline std::string problems_of(const std::string& rest, const std::string& directory = "/nonexistent") {
  const Checked checked = Conf::check(std::string(head) + rest, directory);
  CHECK_FALSE(checked.refused_without_a_word());
  return checked.problems.text();
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace sallyport::test
