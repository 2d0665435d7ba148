#include "gateway/base/text.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "gateway/base/checked_copy.h"

using namespace sallyport;

// Both look at several bytes at once: each byte at each place of a word, whole or cut, is asked one by one.
TEST_CASE("upper and lower case of ASCII letters are the same, wherever they stand, and nothing else is") {
  for (size_t size = 1; size <= 20; ++size) {
    for (size_t at = 0; at < size; ++at) {
      const std::string plain(size, 'q');
      for (int a = 0; a < 256; ++a) {
        for (const int b : {a, a ^ 0x20, a ^ 0x80, a ^ 0x01, 0x71, 0x51}) {
          std::string x = plain, y = plain;
          x[at] = static_cast<char>(a);
          y[at] = static_cast<char>(b);
          if (text::iequals(x, y) != (text::lower(x[at]) == text::lower(y[at])))
            FAIL(size, " ", at, " ", a, " ", b);
        }
      }
    }
  }
  CHECK(text::iequals("", ""));
  CHECK_FALSE(text::iequals("content-length", "content-lengt"));
}

TEST_CASE("a control character is found wherever it stands, and HTAB is none") {
  for (size_t size = 1; size <= 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        for (const char before : {'\t', 'x', '\xff'}) {
          std::string s(size, '\x80');
          std::fill_n(s.begin(), at, before);
          s[at] = static_cast<char>(byte);
          const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
          if (text::find_control(s) != (control ? at : size)) FAIL(size, " ", at, " ", byte, " ", before);
          const bool tab = s.find('\t') != std::string::npos;
          if (text::has_no_control(s) != (!control && !tab)) FAIL(size, " ", at, " ", byte, " ", before);
          std::string copied(size, '?');
          CheckedCopy copy(copied.data());
          copy.put(s);
          if (copied != s || copy.end() != copied.data() + size || copy.is_clean() != (!control && !tab))
            FAIL(size, " ", at, " ", byte, " ", before);
        }
      }
    }
  }
  CHECK(text::find_control("") == 0);
  CHECK(text::has_no_control(""));
  CHECK(text::find_control("a\x7f"
                           "bcdefgh\x01") == 1);
}

TEST_CASE("a set of characters has the letters, the digits and what is asked for") {
  constexpr auto set = text::letters_digits_and("-_");
  for (size_t byte = 0; byte < 256; ++byte) {
    const bool in = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                    (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '_';
    CAPTURE(byte);
    CHECK(set[byte] == in);
  }
}

TEST_CASE("the query of a URL is masked but for its names") {
  CHECK(text::with_masked_query("https://i/jwks") == "https://i/jwks");
  CHECK(text::with_masked_query("https://i/jwks?") == "https://i/jwks?");
  CHECK(text::with_masked_query("https://i/jwks?a=1&token=s3=cret&b=&&c") ==
        "https://i/jwks?a=***&token=***&b=***&&***");
  CHECK(text::with_masked_query("https://i/?s3cret") == "https://i/?***");
}
