#include "gateway/http/headers.h"

#include <doctest/doctest.h>

#include <string>

#include "gateway/base/text.h"

using namespace sallyport;
using namespace sallyport::http;

// It looks at several bytes at once: each byte at each place of a block, and behind one.
TEST_CASE("a token ends where the first byte is that no token has") {
  for (size_t size = 1; size <= 20; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string s(size, 'x');
        s[at] = static_cast<char>(byte);
        const bool alnum = text::is_alpha(s[at]) || text::is_digit(s[at]);
        const bool in =
            alnum || (byte != 0 && std::string_view("!#$%&'*+-.^_`|~").find(s[at]) != Slice::npos);
        if (token_length(s) != (in ? size : at)) FAIL(size, " ", at, " ", byte);
      }
    }
  }
  CHECK(token_length("") == 0);
}

TEST_CASE("a known name is found in whatever case it is written, and nothing that is nearly one") {
  for (size_t i = 1; i < header_ids; ++i) {
    const auto id = static_cast<HeaderId>(i);
    const std::string name(header_name(id)), lower(lower_header_name(id));
    CAPTURE(name);
    CHECK(header_id(name) == id);
    CHECK(header_id(lower) == id);
    for (size_t at = 0; at < name.size(); ++at) {
      std::string other = name;
      other[at] ^= 0x01;
      CHECK(header_id(other) != id);
      other[at] = static_cast<char>(name[at] ^ 0x20);
      CHECK(header_id(other) == (text::is_alpha(name[at]) ? id : HeaderId::other));
    }
  }
}

TEST_CASE("what was taken out is not there, and what was added again is") {
  Headers headers;
  headers.add("Upgrade", "h2c");
  headers.add("X-Other", "1");
  CHECK(headers.may_have({HeaderId::te, HeaderId::upgrade}));
  headers.remove_if([](const Header& h) { return h.id == HeaderId::upgrade; });
  CHECK(headers.find(HeaderId::upgrade) == nullptr);
  CHECK(headers.count(HeaderId::upgrade) == 0);
  headers.add(HeaderId::upgrade, "1");
  headers.set("upgrade", "2");
  headers.set(HeaderId::upgrade, "3");
  CHECK(headers.get("UPGRADE") == "3");
  CHECK(headers.count(HeaderId::upgrade) == 1);
  headers.remove(HeaderId::upgrade);
  CHECK_FALSE(headers.may_have({HeaderId::upgrade}));
  headers.add(HeaderId::te, "trailers");
  headers.clear();
  CHECK_FALSE(headers.may_have({HeaderId::te}));
}
