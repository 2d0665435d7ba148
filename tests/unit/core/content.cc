// A request's content that policies look at, in any order and with any bound, before it passes.
#include "gateway/core/content.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gateway/core/exchange.h"
#include "tests/unit/core/support.h"

using namespace sallyport;

namespace {

// Gives its pieces and then the end, or an error.
struct Pieces final : http::Body {
  Task<Result<Slice>> pull() override {
    if (next < pieces.size()) return Task<Result<Slice>>::ready(Slice(pieces[next++]));
    if (breaks) return Task<Result<Slice>>::ready(fail(Code::client_gone, "client_gone"));
    return Task<Result<Slice>>::ready(Slice{});
  }
  std::optional<uint64_t> remaining() const noexcept override {
    if (next < pieces.size() || breaks) return std::nullopt;
    return 0;
  }
  std::vector<std::string> pieces = {"aaaa", "bbbb", "cc"};
  size_t next = 0;
  bool breaks = false;
};

struct Limiter final : ContentLimiter {
  explicit Limiter(bool enforce) : enforces(enforce) {}
  bool exceeded(Exchange&) override { return ++told > 0 && enforces; }
  bool enforces;
  int told = 0;
};

struct Story {
  Story() {
    x.request.body = &source;
    x.request.length.kind = http::BodyLength::Kind::chunked;
  }
  // What read_body gives, or the reason why not.
  std::string read(size_t bytes_max) {
    Result<Slice> content = x.read_body(bytes_max).take();
    return content ? std::string(*content) : std::string(content.error().reason);
  }
  // All that the backend gets, and how it ends.
  std::string pull_all() {
    std::string all;
    for (;;) {
      const bool ended = x.request.body->remaining() == 0;
      Result<Slice> piece = x.request.body->pull().take();
      if (!piece) return all + "!" + std::string(piece.error().reason);
      if (piece->empty()) return all;
      if (ended && !piece->empty()) return all + "!remaining";
      all += *piece;
    }
  }
  Loop loop;
  ConnectionInfo from{"edge", "127.0.0.1", true, "TLSv1.3"};
  test::NoResponder responder;
  Exchange x{loop, from, responder};
  Pieces source;
};

}  // namespace

TEST_CASE("whatever was read, the backend gets all of it once, and again if it must") {
  using Bounds = std::vector<size_t>;
  for (const Bounds& bounds :
       {Bounds{}, {3}, {4}, {5}, {10}, {9}, {0, 4}, {4, 9, 3}, {5, 100}, {100, 5}, {10, 10}, {9, 10, 2}}) {
    CAPTURE(bounds.size());
    Story s;
    for (const size_t max : bounds) CHECK(s.read(max) == (max < 10 ? "body_too_large" : "aaaabbbbcc"));
    CHECK(s.pull_all() == "aaaabbbbcc");
    const bool whole = s.x.rewind_body();
    CHECK(whole == !bounds.empty());
    if (whole) CHECK(s.pull_all() == "aaaabbbbcc");
  }
}

TEST_CASE("content on its way is kept up to a bound, to be sent again") {
  for (const size_t more : {16'374U, 16'375U}) {
    for (const size_t looked_at : {4U, 9U, 100'000U}) {
      CAPTURE(looked_at);
      Story s;
      s.source.pieces.emplace_back(more, 'd');
      s.read(looked_at);
      const std::string all = "aaaabbbbcc" + std::string(more, 'd');
      CHECK(s.pull_all() == all);
      const bool whole = s.x.rewind_body();
      CHECK(whole == (more == 16'374 || looked_at == 100'000));
      if (whole) CHECK(s.pull_all() == all);
    }
  }
}

TEST_CASE("content that was read whole has a length from then on, other content keeps its own") {
  Story s;
  CHECK(s.read(5) == "body_too_large");
  CHECK(s.x.request.length.kind == http::BodyLength::Kind::chunked);
  CHECK(s.read(10) == "aaaabbbbcc");
  CHECK(s.x.request.length.kind == http::BodyLength::Kind::counted);
  CHECK(s.x.request.length.bytes == 10);
}

TEST_CASE("content that breaks off does so behind what was read of it, however often it is asked") {
  Story s;
  s.source.breaks = true;
  CHECK(s.read(100) == "client_gone");
  CHECK(s.read(100) == "client_gone");
  CHECK(s.pull_all() == "aaaabbbbcc!client_gone");
}

TEST_CASE(
    "a limiter that enforces cuts content off for everybody, one that watches for nobody; each is told "
    "once") {
  for (const bool before : {true, false}) {
    CAPTURE(before);
    Limiter watches(false), enforces(true), wide(true);
    Story s;
    if (!before) CHECK(s.read(7) == "body_too_large");
    CHECK(s.x.limit_body(5, watches));
    CHECK(s.x.limit_body(9, enforces));
    CHECK(s.x.limit_body(10, wide));
    if (before) CHECK(s.read(7) == "body_too_large");
    CHECK(watches.told == 1);
    CHECK_FALSE(s.x.content_cut_off());
    CHECK(s.pull_all() == "aaaabbbb!body_too_large");
    CHECK(s.x.content_cut_off());
    CHECK(s.x.request.body->remaining() == std::nullopt);
    CHECK(s.read(100) == "body_too_large");
    CHECK_FALSE(s.x.rewind_body());
    CHECK(watches.told + enforces.told == 2);
    CHECK(wide.told == 0);
  }
}

TEST_CASE("a length that is known is compared at once, and nothing is asked of the client") {
  Limiter limiter(true);
  Story s;
  s.x.request.length = {http::BodyLength::Kind::counted, 10};
  CHECK_FALSE(s.x.limit_body(9, limiter));
  CHECK(s.read(9) == "body_too_large");
  CHECK(s.source.next == 0);
  CHECK(s.x.limit_body(10, limiter));
  CHECK(s.pull_all() == "aaaabbbbcc");
  CHECK(limiter.told == 0);
}

TEST_CASE("the first piece can be waited for: it comes in front of the rest, and again") {
  Story story;
  REQUIRE(story.x.first_content().take());
  REQUIRE(story.x.first_content().take());  // once is enough
  CHECK(story.source.next == 1);
  CHECK(story.x.request.body->ready());
  CHECK(story.pull_all() == "aaaabbbbcc");
  REQUIRE(story.x.rewind_body());
  CHECK(story.pull_all() == "aaaabbbbcc");
  Story one;
  one.source.pieces = {"all"};
  REQUIRE(one.x.first_content().take());
  CHECK(one.pull_all() == "all");
  REQUIRE(one.x.rewind_body());
  CHECK(one.pull_all() == "all");
  Story none;
  none.source.pieces.clear();
  REQUIRE(none.x.first_content().take());
  CHECK(none.pull_all() == "");
  Story broken;
  broken.source.pieces.clear();
  broken.source.breaks = true;
  CHECK(broken.x.first_content().take().error().reason == "client_gone");
}

TEST_CASE("content of no bytes can be given once more, whatever says that there is none") {
  Story story;
  story.source.pieces.clear();
  story.x.request.length = {http::BodyLength::Kind::counted, 0};
  CHECK(story.x.rewind_body());
  CHECK(story.pull_all() == "");
  story.x.request.length.kind = http::BodyLength::Kind::none;
  CHECK(story.x.rewind_body());
}
