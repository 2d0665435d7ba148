#include "gateway/net/socket.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "gateway/net/listener.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

constexpr std::array<Slice, 1> one_byte = {"x"};

// A connected Socket, and its peer as a blocking descriptor.
struct Pair {
  Loop loop;
  std::unique_ptr<net::Socket> socket;
  int peer = -1;

  Pair() {
    const auto listening = net::bind_tcp("127.0.0.1", 0, false, 1);
    REQUIRE(listening);
    socket = std::make_unique<net::Socket>(loop, net::Socket::Kind::tcp);
    const net::SocketAddress to{"127.0.0.1", net::bound_port(listening->get())};
    REQUIRE(test::finish(loop, socket->connect(to, loop.now() + 10s)));
    peer = accept(listening->get(), nullptr, nullptr);
    REQUIRE(peer >= 0);
  }
  ~Pair() { close_peer(); }

  void read() {
    socket->start_reading();
    loop.run();
  }
  void send(const std::string& bytes) const {
    REQUIRE(::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  void close_peer() {
    if (peer >= 0) close(std::exchange(peer, -1));
  }
  void reset_peer() {
    const linger at_once{1, 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_peer();
  }
};

// Stops the loop when it has `wanted` bytes, at an end, and when all is drained.
struct Owner final : net::SocketOwner {
  Loop& loop;
  size_t room;        // of one read
  size_t most = ~0u;  // no room beyond
  size_t wanted = ~0u;
  std::unique_ptr<net::Socket>* destroyed_at_once = nullptr;
  net::Socket* written_at_once = nullptr;
  std::array<char, 4096> bytes{};
  std::string got;
  int reads = 0, refused = 0;
  bool ended = false;
  std::optional<Error> broken;

  Owner(Pair& pair, size_t read) : loop(pair.loop), room(read) { pair.socket->set_owner(this); }

  std::span<char> on_alloc() override {
    if (got.size() >= most) {
      ++refused;
      loop.stop();
      return {};
    }
    return std::span(bytes).first(std::min(room, most - got.size()));
  }
  void on_read(size_t count) override {
    ++reads;
    got.append(bytes.data(), count);
    if (destroyed_at_once != nullptr) destroyed_at_once->reset();
    if (written_at_once != nullptr) CHECK(!written_at_once->write(one_byte));
    if (got.size() >= wanted || destroyed_at_once != nullptr) loop.stop();
  }
  void on_read_end() override {
    ended = true;
    loop.stop();
  }
  void on_broken(Error error) override {
    broken = std::move(error);
    loop.stop();
  }
  void on_drained() override { loop.stop(); }
};

std::string pattern(size_t size) {
  std::string all(size, '\0');
  for (size_t i = 0; i < size; ++i) all[i] = static_cast<char>(i * 31 + i / 251);
  return all;
}

}  // namespace

TEST_CASE("a socket reads all there is, then the end") {
  Pair pair;
  Owner owner(pair, 100);
  const std::string sent = pattern(20'000);  // more reads than one socket has in a turn
  pair.send(sent);
  pair.close_peer();
  pair.read();
  CHECK(owner.got == sent);
  CHECK(owner.ended);
  CHECK(!owner.broken);
  CHECK(owner.reads == 200);
}

// The kernel tells of a reset once: to a write, if that comes first.
TEST_CASE("a reset behind the last bytes is no end, whoever was told of it") {
  Pair pair;
  Owner owner(pair, 4096);
  pair.send("last");
  pair.reset_peer();
  SUBCASE("a read") {}
  SUBCASE("a write before they were read") { CHECK(!pair.socket->write(one_byte)); }
  SUBCASE("a write as they were read") { owner.written_at_once = pair.socket.get(); }
  pair.read();
  CHECK(owner.got == "last");
  CHECK(!owner.ended);
  REQUIRE(owner.broken);
  CHECK(owner.broken->code == Code::connection_reset);
}

TEST_CASE("an end is one, also when a write came too late for it") {
  Pair pair;
  Owner owner(pair, 4096);
  pair.send("last");
  pair.close_peer();
  CHECK(pair.socket->write(one_byte));   // answered by a reset
  CHECK(!pair.socket->write(one_byte));  // EPIPE
  pair.read();
  CHECK(owner.got == "last");
  CHECK(owner.ended);
  CHECK(!owner.broken);
}

TEST_CASE("an owner without room gets the rest when it reads again") {
  Pair pair;
  Owner owner(pair, 4096);
  const std::string sent = pattern(1000);
  owner.most = 10;
  pair.send(sent);
  pair.read();
  CHECK(owner.got == sent.substr(0, 10));
  for (int i = 0; i < 3; ++i) test::turn(pair.loop);
  CHECK(owner.refused == 1);  // not asked for ever

  owner.most = ~0u;
  owner.wanted = sent.size();
  pair.read();
  CHECK(owner.got == sent);
}

TEST_CASE("a socket may be destroyed as it tells of bytes") {
  Pair pair;
  Owner owner(pair, 10);  // filled, so that it would read on
  owner.destroyed_at_once = &pair.socket;
  pair.send(pattern(100));
  pair.read();
  CHECK(owner.reads == 1);
}

TEST_CASE("what the kernel does not take at once is queued, and arrives in order") {
  Pair pair;
  Owner owner(pair, 4096);
  const std::string sent = pattern(16 << 20);
  const Slice all = sent;
  const std::array<Slice, 10> pieces = {
      "", all.substr(0, 1), all.substr(1, 2),  all.substr(3, 4),  all.substr(7, 1),
      "", all.substr(8, 2), all.substr(10, 3), all.substr(13, 5), all.substr(18)};
  REQUIRE(pair.socket->write(pieces));
  CHECK(pair.socket->queued() > 0);
  std::string got(sent.size(), '\0');
  std::jthread reader([&] { recv(pair.peer, got.data(), got.size(), MSG_WAITALL); });
  pair.loop.run();
  reader.join();
  CHECK(pair.socket->queued() == 0);
  CHECK(got == sent);
}

TEST_CASE("a write to who has gone is an error, and no signal") {
  Pair pair;
  Owner owner(pair, 4096);
  pair.reset_peer();
  pair.read();
  REQUIRE(owner.broken);
  CHECK(!pair.socket->write(one_byte));
}
