#include "gateway/base/host_name.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;

TEST_CASE("host names, and what is none") {
  for (const char* name : {"a", "orders", "api.example.test", "api.example.test.", "a_b-c.test",
                           "xn--bcher-kva.test", "4.a", "12"}) {
    CAPTURE(name);
    CHECK(is_host_name(name));
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("10.0.0.256"),
        std::string("1.2.3"), std::string("a b"), std::string("a/b"), std::string("[::1]"),
        std::string("::1"), std::string("b\xc3\xbc"), std::string(64, 'a'),
        std::string(127, 'a') + '.' + std::string(127, 'b')}) {
    CAPTURE(name);
    CHECK_FALSE(is_host_name(name));
  }
}

TEST_CASE("numeric hosts") {
  for (const char* host : {"10.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1"}) CHECK(is_numeric_host(host));
  for (const char* host : {"", "10.0.0.256", "10.0.0", "010.0.0.1", "[::1]", "localhost", "::1%lo"})
    CHECK_FALSE(is_numeric_host(host));
}
