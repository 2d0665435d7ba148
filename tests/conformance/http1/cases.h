// What the two corpora of HTTP/1.1, requests.txt and responses.txt, have in common: how a case is written
// down.
//
//   == what it is about
//   lines of it                  each of which is bytes, with CRLF, but for one that ends with \
//
// Escapes: \r \n \t \\ \xNN; \(a*9\) is nine times a. @{a@|b@} makes a case of each. Of a backend: \c closes
// its connection there, \z resets it; what stands behind \i is sent when the answer in front of it has been
// read.
#pragma once

#include <string>
#include <vector>

#include "tests/support/origin.h"

namespace sallyport::test {

// Between what a backend answers and what it sends unasked.
inline constexpr const char* idle_mark = "\x01idle";

struct Case {
  std::string name;
  std::vector<std::string> lines;
};

// All cases of a file in this folder.
std::vector<Case> read_cases(const std::string& file_name);
// A line of the file as bytes.
std::string bytes_of(const std::string& line);
// Bytes as a failed check tells them: the first of them, and each visible.
std::string shown(const std::string& bytes);

}  // namespace sallyport::test
