#include "gateway/base/units.h"

#include <doctest/doctest.h>

#include <array>

#include "gateway/base/text.h"

using namespace sallyport;

TEST_CASE("durations, sizes and rates read as they are written, and back") {
  CHECK(parse_duration("250ms").value() == milliseconds(250));
  CHECK(parse_duration("1.5s").value() == milliseconds(1500));
  CHECK(parse_duration("90d").value() == std::chrono::hours(24 * 90));
  CHECK(parse_duration("0").value() == Duration::zero());
  for (const char* bad : {"", "5", "s", "1 s", "-1s", "1.s", "1..5s", "99999999999d", "1S"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(parse_bytes("256KiB").value().count == 262144);
  CHECK_FALSE(parse_bytes("256"));
  CHECK_FALSE(parse_bytes("1KB"));
  CHECK(parse_rate("100/1m").value() == Rate{100, std::chrono::minutes(1)});
  CHECK_FALSE(parse_rate("0/1m"));
  CHECK_FALSE(parse_rate("100"));
  CHECK(parse_duration("0.1d").value() == std::chrono::minutes(144));
  for (const char* text : {"250ms", "15m", "90d", "1500us"})
    CHECK(to_string(parse_duration(text).value()) == text);
  CHECK(to_string(Bytes{262144}) == "256KiB");
}

TEST_CASE("units end where sums and doublings of them would overflow") {
  CHECK(parse_duration("36500d").value() == longest_duration);
  CHECK(parse_duration("36500.000000001d").error().reason == "too_large");
  CHECK(parse_duration("18446744073709551616ns").error().reason == "too_large");
  CHECK(parse_duration("18446744073709551616x").error().reason == "bad_unit");
  CHECK(parse_bytes("1048576GiB").value().count == Bytes::max);
  CHECK(parse_bytes("1048576.5GiB").error().reason == "too_large");
  CHECK(parse_rate("1000000000000/36500d").value() == Rate{Rate::count_max, longest_duration});
  CHECK(parse_rate("18446744073709551615/1s").error().reason == "too_large");
  CHECK(parse_rate("1/36501d").error().reason == "too_large");
  CHECK(parse_rate("-1/1s").error().reason == "bad_unit");
}

TEST_CASE("dates are RFC 3339 in UTC, and only days of the calendar") {
  const Wall t = parse_date_time("2024-02-29T23:59:59Z").value();
  CHECK(unix_seconds(t) == 1709251199);
  CHECK(date_time(t) == "2024-02-29T23:59:59Z");
  CHECK(date_time_ms(t + milliseconds(7)) == "2024-02-29T23:59:59.007Z");
  for (const char* bad : {"2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z", "2023-01-01",
                          "2023-01-01T24:00:00Z", "2023-01-01T00:00:00+1"}) {
    CHECK_FALSE(parse_date_time(bad));
  }
}

TEST_CASE("encodings have one form each") {
  CHECK(text::base64url_decode("_-4").value() == "\xff\xee");
  CHECK_FALSE(text::base64url_decode("_-5"));   // bits beyond the end
  CHECK_FALSE(text::base64url_decode("_-4="));  // padding
  CHECK_FALSE(text::base64url_decode("_"));
  CHECK(text::base64("ab") == "YWI=");
  std::array<uint8_t, 2> bytes{};
  CHECK(text::unhex("00fF", bytes));
  CHECK(bytes == std::array<uint8_t, 2>{0, 0xff});
  CHECK_FALSE(text::unhex("0", bytes));
  CHECK_FALSE(text::unhex("00f", bytes));
  CHECK_FALSE(text::unhex("00fg", bytes));
}

TEST_CASE("UTF-8 is RFC 3629") {
  CHECK(text::is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\x80", "\xe0\x80\x80"})
    CHECK_FALSE(text::is_utf8(bad));
  CHECK(text::printable("a\n\x7f", 10) == "a\\x0a\\x7f");
  CHECK(text::nearest("limt", {"limit", "match"}).value() == "limit");
  CHECK_FALSE(text::nearest("zzzz", {"limit", "match"}));
}
