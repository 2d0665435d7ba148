// Patterns: what a stranger's bytes may cost that are matched with them.
#include <doctest/doctest.h>

#include <string>

#include "gateway/base/pattern.h"
#include "gateway/base/pattern_states.h"

using namespace sallyport;

TEST_CASE("patterns match anywhere, and say what is wrong with them") {
  Meter meter(1'000);
  CHECK(Pattern::compile("^[0-9]{1,3}$").value().matches("12", meter));
  CHECK_FALSE(Pattern::compile("^[0-9]{1,3}$").value().matches("1234", meter));
  CHECK(Pattern::compile("b").value().matches("abc", meter));
  for (const std::string wrong : {"(", "[", "[a", "\\", "\\p", "\\p{", "\\x", "\\x{", "(?", "(?P<", "a**",
                                  "*", "x{1001}", ")", "[[:x"}) {
    CAPTURE(wrong);
    const auto compiled = Pattern::compile(wrong);
    CHECK((!compiled && !compiled.error().detail.empty()));
    CHECK(has_few_states(wrong) == has_few_states(wrong));  // it gives an answer, whatever it is
  }
}

TEST_CASE("patterns as they are written have few states, in the direction in which they are read") {
  for (const std::string few :
       {"",
        "^$",
        "^a",
        "b$",
        "c.*d",
        "^[a-z]+$",
        "^(a+)+$",
        "(?i)^[a-z]+$",
        "(?is)^.{1,900}$",
        "^(GET|POST)$",
        "^#[0-9a-fA-F]{6}$",
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "^.{1,255}$",
        "^.{1,900}$",
        "^x{1000}",
        "^\\p{L}[\\p{L} .'-]*$",
        "^\\S(.*\\S)?$",
        "^[A-Za-z0-9+/]*={0,2}$",
        "(a|b)*a(a|b){12}$",
        "^[[:alpha:]_]+$",
        "^[\\x{4e00}-\\x{9fa5}]+$",
        "^(\\+\\d{1,3})?[0-9 ()-]{6,20}$",
        "^[^@]{1,64}@[^@]{1,255}$",
        "x.{0,5}y",
        "^(https?://)?[a-z0-9.-]+(:[0-9]{1,5})?(/.*)?$",
        "^\\w+([.-]?\\w+)*@\\w+([.-]?\\w+)*(\\.\\w{2,3})+$",
        "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$",
        "a{2,3",
        "^[^é]*$",
        "^[A-Za-zÀ-ž' -]{1,80}$",
        "(?s)^.{1,200}$",
        "(?P<x>a)+",
        "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
        "(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"}) {
    CAPTURE(few);
    CHECK(Pattern::compile(few));
    CHECK(has_few_states(few));
  }
  for (const std::string many :
       {"[a-z].{8,100}[0-9]", "x.{8,20}y", "[ab]*a[ab]{30}c", "^c[ab]*a[ab]{30}$", "a[ab]{30}c$|d",
        "^.{1,64}@.{1,255}$", "(^|x)[ab]*a[ab]{20}$", "\\Qx\\E",
        // RE2 makes a state for each choice of what came, beyond ASCII and at borders
        "\\b.{200}y", "[^é].{200}[0-9]", "(?ms)^.{200}y", "\\p{Lu}.{20,40}\\p{Nd}", "\\p{Lu}.{400}\\p{Nd}",
        "é.{20}y", "[À-ž].{20}y", "(?i)k.{30}y", "[^\\n].{20}\\PL"}) {
    CAPTURE(many);
    CHECK(Pattern::compile(many));
    CHECK(!has_few_states(many));
  }
}

TEST_CASE(
    "a pattern without end of states costs by its program, and is refused by the meter before it is run") {
  const std::string text(10'000, 'x');
  const Pattern many = *Pattern::compile("x.{8,20}y"), few = *Pattern::compile("^[^y]*$");
  Meter meter = Meter::of_bytes(text.size());
  CHECK(!many.matches(text, meter));
  CHECK(meter.exhausted());
  meter = Meter::of_bytes(text.size());
  CHECK(few.matches(text, meter));
  CHECK(meter.left() > 15 * text.size());
  meter = Meter::of_bytes(40);
  CHECK(many.matches("axbxxxxxxxxxxxxxxxy", meter));  // what is short, anyway
}

TEST_CASE("a pattern that makes too large a program is refused, and told what to do") {
  const auto large = Pattern::compile("^\\p{L}{1,100}$");
  REQUIRE(!large);
  CHECK(large.error().detail != "");
}
