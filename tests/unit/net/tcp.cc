#include "gateway/net/tcp.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "gateway/net/listener.h"
#include "tests/unit/async/support.h"

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

Task<size_t> read_off(net::Stream& stream, size_t bytes) {
  size_t got = 0;
  while (got < bytes) {
    got += stream.input().size();
    stream.input().consume(stream.input().size());
    const Result<bool> more = co_await stream.more(stream.loop().now() + 10s);
    if (!more || !*more) break;
  }
  co_return got + stream.input().size();
}

void run_turns(Loop& loop, int turns) {
  for (int i = 0; i < turns; ++i) test::turn(loop);
}

}  // namespace

TEST_CASE("while memory is short, little is read ahead of whoever asks, and all of it for who does") {
  Loop loop;
  const Result<Fd> listening = net::bind_tcp("127.0.0.1", 0, false, 1);
  REQUIRE(listening);
  auto socket = std::make_unique<net::Socket>(loop, net::Socket::Kind::tcp);
  REQUIRE(test::finish(loop,
                       socket->connect({"127.0.0.1", net::bound_port(listening->get())}, loop.now() + 10s)));
  const int peer = accept(listening->get(), nullptr, nullptr);
  const std::string content(40'000, 'x');
  REQUIRE(send(peer, content.data(), content.size(), MSG_NOSIGNAL) == 40'000);
  close(peer);

  loop.blocks().set_budget(64 * 1024);
  Buffer others(loop.blocks());
  others.append(std::string(20'000, 'x'));
  {
    net::TcpStream stream(loop, std::move(socket));
    run_turns(loop, 50);
    CHECK(stream.input().size() == loop.blocks().bytes_ahead());
    CHECK(stream.input().capacity() <= 4096);
    CHECK(test::finish(loop, read_off(stream, content.size() + 1)) == content.size());
  }
  run_turns(loop, 1);
}
