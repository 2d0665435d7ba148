// Content that lasts: when it is asked about, and what it gives when the answer is no.
#include "gateway/core/lasting_body.h"

#include <doctest/doctest.h>

#include "gateway/async/timer.h"
#include "gateway/core/exchange.h"
#include "tests/unit/async/support.h"
#include "tests/unit/core/support.h"

using namespace sallyport;

namespace {

struct Doorman final : Admission {
  bool still_allowed(Exchange& x) override {
    ++asked;
    if (!allowed) x.notes.reason = "revoked";
    return allowed;
  }
  int asked = 0;
  bool allowed = true;
};

// Never pauses and never ends, a tenth of a second a piece; or gives nothing for an hour.
struct Source final : http::Body {
  explicit Source(Loop& l) : loop(l) {}
  Task<Result<Slice>> pull() override {
    if (silent) return wait();
    test::advance(milliseconds(100));
    return Task<Result<Slice>>::ready(Slice("x"));
  }
  std::optional<uint64_t> remaining() const noexcept override { return std::nullopt; }
  Task<Result<Slice>> wait() {
    test::advance(seconds(2));
    co_await sallyport::sleep(loop, std::chrono::hours(1));
    co_return Slice("late");
  }
  Loop& loop;
  bool silent = false;
};

struct Story {
  explicit Story(bool in_order) {
    x.admission = &doorman;
    body.begin(x, source, in_order);
  }
  // Pieces until there is none, or until so many came; in turns of the loop, which reads the clock at each.
  Task<size_t> pieces(size_t most) {
    size_t count = 0;
    for (; count < most; ++count) {
      last = co_await body.pull();
      if (!last || last->empty()) break;
      co_await sallyport::sleep(loop, milliseconds(1));
    }
    co_return count;
  }
  size_t run(size_t most) { return test::finish(loop, pieces(most)); }

  Loop loop;
  ConnectionInfo from{"edge", "127.0.0.1", true, "TLSv1.3"};
  test::NoResponder responder;
  Exchange x{loop, from, responder};
  Doorman doorman;
  Source source{loop};
  LastingBody body;
  Result<Slice> last;
};

}  // namespace

TEST_CASE("what is over within a second is not asked about; later it is, once a second") {
  Story s(true);
  CHECK(s.run(5) == 5);
  CHECK(s.doorman.asked == 0);
  CHECK(s.run(25) == 25);
  CHECK(s.doorman.asked >= 2);
  CHECK(s.doorman.asked <= 3);
}

TEST_CASE("a body that never pauses ends in order or with an error, and stays so") {
  for (const bool in_order : {true, false}) {
    Story s(in_order);
    s.doorman.allowed = false;
    CHECK(s.run(50) < 15);
    CHECK(s.last.has_value() == in_order);
    if (!in_order) CHECK(s.last.error().reason == "revoked");
    CHECK(s.run(10) == 0);
    CHECK(s.doorman.asked == 1);
  }
}

TEST_CASE("a silent one does so as well") {
  Story s(true);
  s.source.silent = true;
  s.doorman.allowed = false;
  CHECK(s.run(10) == 0);
  CHECK(s.last->empty());
  CHECK(s.doorman.asked == 1);
}
