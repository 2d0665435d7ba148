// Content on its way to a backend: how long its client has kept that waiting, and that it can be given up.
#include "gateway/http/upload.h"

#include <doctest/doctest.h>

#include "tests/unit/async/support.h"

using namespace sallyport;

namespace {

// Gives a piece each time it is told to.
struct Client final : http::Body {
  Task<Result<Slice>> pull() override {
    co_await said.wait();
    said.reset();
    co_return piece;
  }
  std::optional<uint64_t> remaining() const noexcept override { return std::nullopt; }
  void say(Slice what) {
    piece = what;
    said.set();
  }
  Event said;
  Slice piece;
};

struct Story {
  Story() { upload.begin(); }
  // A wait of so many milliseconds, and then that piece.
  void wait(int ms, Slice piece) {
    Task<Result<Slice>> pulled = upload.pull(loop, client);
    CHECK_FALSE(pulled.done());
    pass(ms);
    client.say(piece);
    REQUIRE(pulled.done());
    CHECK(pulled.take() == piece);
  }
  void pass(int ms) {
    test::advance(milliseconds(ms));
    test::finish(loop, turn());
  }
  Task<> turn() { co_await sallyport::sleep(loop, milliseconds(1)); }

  Loop loop;
  Client client;
  http::Upload upload;
};

}  // namespace

TEST_CASE("waits for a client add up, and what it sends makes up for them") {
  Story s;
  CHECK(s.upload.stalled_since() == Monotonic::max());  // nobody waits
  s.wait(400, "x");
  s.wait(400, "x");
  Task<Result<Slice>> pulled = s.upload.pull(s.loop, s.client);
  CHECK(s.loop.now() - s.upload.stalled_since() >= milliseconds(790));
  const std::string lot(64 * 1024, 'x');
  s.client.say(lot);
  CHECK(pulled.done());
  Task<Result<Slice>> again = s.upload.pull(s.loop, s.client);
  CHECK(s.upload.stalled_since() == s.loop.now());
}

TEST_CASE("an upload that is given up fails at once, and stays so until the next one begins") {
  Story s;
  Task<Result<Slice>> pulled = s.upload.pull(s.loop, s.client);
  s.upload.give_up();
  REQUIRE(pulled.done());
  const Result<Slice> failed = pulled.take();
  CHECK(failed.error().reason == "slow_sender");
  CHECK(side_of(failed.error().code) == Side::client);
  CHECK_FALSE(s.upload.pull(s.loop, s.client).take().has_value());
  s.upload.begin();
  s.wait(1, "x");
}
