#include "gateway/http/media_type.h"

#include <doctest/doctest.h>

#include "gateway/http/headers.h"

using namespace sallyport;
using http::MediaType;

TEST_CASE("a media type is read by the grammar of RFC 9110 section 8.3.1") {
  for (const char* good : {"application/json", "Application/JSON;charset=utf-8",
                           "a/b ; c=d\t;\te=\"f;\\\"g\"", "application/json;", "a/b;;; c=d", "a/b;c=\"\""}) {
    CAPTURE(good);
    CHECK(MediaType::parse(good));
  }
  for (const char* bad : {"",
                          "application",
                          "/json",
                          "application/",
                          "application /json",
                          "application/json x",
                          "application/json, text/xml",
                          "application/json;, text/xml",
                          "a/b;;;=",
                          "a/b;c",
                          "a/b;c=",
                          "a/b;c =d",
                          "a/b;c= d",
                          "a/b;c=d e=f",
                          "a/b;c=\"d",
                          "a/b;c=\"d\\\"",
                          "a/b;c=\"d\"e",
                          "a/b;c=d;C=e",
                          "a/b;c=d,e",
                          "a/b\xa0;c=d",
                          "a/b;a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1;i=1"}) {
    CAPTURE(bad);
    CHECK_FALSE(MediaType::parse(bad));
  }
}

TEST_CASE("what a media type says is compared without case, quotes and pairs read") {
  const auto type = MediaType::parse("Text/Plain; Charset=\"UTF\\-8\"; x=y");
  REQUIRE(type);
  CHECK(type->is("text/plain"));
  CHECK_FALSE(type->is("text/plain2"));
  REQUIRE(type->parameters().size() == 2);
  CHECK(type->parameters()[0].is("charset", "utf-8"));
  CHECK_FALSE(type->parameters()[0].is("charset", "utf-"));
  CHECK_FALSE(type->parameters()[0].is("charset", "utf-80"));
  CHECK(type->parameters()[1].is("X", "y"));
}

TEST_CASE("a second Content-Type is none") {
  http::Headers headers;
  CHECK_FALSE(MediaType::of(headers));
  headers.add("Content-Type", "a/b");
  CHECK(MediaType::of(headers));
  headers.add("content-type", "a/b");
  CHECK_FALSE(MediaType::of(headers));
}
