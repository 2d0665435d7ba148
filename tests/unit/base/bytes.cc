#include "gateway/base/bytes.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/base/arena.h"

using namespace sallyport;

TEST_CASE("a buffer that is filled byte by byte is moved a few times, not with each byte") {
  BlockPool pool;
  Buffer buffer(pool);
  int moves = 0;
  const char* at = nullptr;
  for (size_t i = 0; i < 1024 * 1024; ++i) {
    buffer.append("x");
    if (buffer.data() != at) ++moves;
    at = buffer.data();
  }
  CHECK(buffer.size() == 1024 * 1024);
  CHECK(moves <= 10);
}

TEST_CASE("a buffer keeps its bytes as it grows and as its front is consumed") {
  BlockPool pool;
  Buffer buffer(pool);
  std::string expected;
  for (size_t i = 0; i < 3000; ++i) {
    const std::string piece(i % 97, static_cast<char>('a' + i % 26));
    buffer.append(piece);
    expected += piece;
    const size_t front = i % 31 < expected.size() ? i % 31 : 0;
    buffer.consume(front);
    expected.erase(0, front);
    if (buffer.readable() != expected) REQUIRE(buffer.readable() == expected);
  }
}

TEST_CASE("a block is as large as asked for, at least, and not much larger") {
  BlockPool pool;
  for (size_t bytes = 1; bytes < 200'000; bytes += 61) {
    size_t capacity = 0;
    char* block = pool.take(bytes, capacity);
    if (capacity < bytes || (capacity > 1024 && capacity >= 2 * bytes)) REQUIRE(capacity == bytes);
    CHECK(pool.taken() == capacity);
    pool.give_back(block, capacity);
  }
  CHECK(pool.taken() == 0);
}

TEST_CASE("what a burst leaves behind goes back, but for a bounded reserve") {
  BlockPool pool;
  std::vector<std::unique_ptr<Buffer>> burst;
  for (int i = 0; i < 4000; ++i) {
    burst.push_back(std::make_unique<Buffer>(pool));
    burst.back()->append(std::string(8000, 'x'));
  }
  CHECK(pool.taken() == 4000 * 8192);
  CHECK_FALSE(pool.has_fallen());
  burst.clear();
  CHECK(pool.taken() == 0);
  CHECK(pool.kept() <= BlockPool::kept_max);
  CHECK(pool.has_fallen());
  pool.forget_highest();
  CHECK_FALSE(pool.has_fallen());
}

TEST_CASE("the pressure rises with what is held of the budget") {
  BlockPool pool;
  CHECK(pool.pressure() == Pressure::none);
  pool.set_budget(64 * 1024);
  CHECK(pool.pressure() == Pressure::none);
  Buffer quarter(pool), half(pool), rest(pool);
  quarter.append(std::string(16 * 1024, 'x'));
  CHECK(pool.pressure() == Pressure::some);
  half.append(std::string(32 * 1024, 'x'));
  CHECK(pool.pressure() == Pressure::much);
  rest.append(std::string(16 * 1024, 'x'));
  CHECK(pool.pressure() == Pressure::full);
  half.release();
  CHECK(pool.pressure() == Pressure::some);
}

TEST_CASE("an arena begins small, grows, and gives all of it back") {
  BlockPool pool;
  {
    Arena arena(pool);
    const Slice first = arena.copy("first");
    CHECK(pool.taken() <= 2 * 1024);
    std::vector<Slice> pieces;
    for (int i = 0; i < 1000; ++i) pieces.push_back(arena.copy(std::to_string(i)));
    const Slice large = arena.copy(std::string(100'000, 'y'));
    CHECK(first == "first");
    for (int i = 0; i < 1000; ++i) CHECK(pieces[static_cast<size_t>(i)] == std::to_string(i));
    CHECK(large == std::string(100'000, 'y'));
    arena.clear();
    CHECK(pool.taken() == 0);
    CHECK(arena.copy("again") == "again");
  }
  CHECK(pool.taken() == 0);
}
