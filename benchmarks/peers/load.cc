// Load that wrk cannot make: new TLS connections, resumed ones, idle ones, and requests at a constant rate.
//
//   load full PORT SECONDS       a full handshake and one request, again and again; prints how many
//   load resumed PORT SECONDS    the same by tickets
//   load idle PORT COUNT         opens COUNT connections, one request on each; prints "ready" and holds them
//                                until its input ends
//   load rate PORT SECONDS RATE  RATE requests a second over 16 connections, each sent when its time has come
//                                whether or not the one before was answered in time; prints p50 and p99 in
//                                microseconds from that time on
//   load rate-plain PORT SECONDS RATE   the same without TLS
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/client.h"

using namespace sallyport::test;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int threads_max = 8;
constexpr int rate_connections = 16;

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "load: %s\n", why);
  std::exit(1);
}

void check(const Response& r) {
  if (r.status != 200) give_up("an answer was not 200");
}

// One thread's share: handshakes until the time is over.
uint64_t shake_hands(int port, bool resumed, Clock::time_point until) {
  const std::string request = get("/small", "Connection: close\r\n");
  ClientOptions options;
  uint64_t count = 0;
  while (Clock::now() < until) {
    Client client(port, options);
    if (!client.connected()) give_up("a handshake failed");
    if (client.resumed() != !options.session.empty()) give_up("a session was not resumed");
    check(client.ask(request));
    if (resumed) options.session = client.session();
    ++count;
  }
  return count;
}

int handshakes(int port, bool resumed, int seconds) {
  const Clock::time_point until = Clock::now() + std::chrono::seconds(seconds);
  std::atomic<uint64_t> count{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_max; ++i)
    threads.emplace_back([&] { count += shake_hands(port, resumed, until); });
  for (std::thread& t : threads) t.join();
  std::printf("%lu\n", static_cast<unsigned long>(count.load()));
  return 0;
}

int idle(int port, int connections) {
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < connections; ++i) {
    all.push_back(std::make_unique<Client>(port));
    check(all.back()->ask(get("/small")));
  }
  std::printf("ready\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

// Latency counts from when a request should have been sent: a proxy that stops for a while is not let off
// (coordinated omission).
void pace(int port, bool tls, Clock::time_point start, Clock::duration step, size_t requests,
          std::vector<double>& out) {
  Client client(port, {.tls = tls});
  const std::string request = get("/small");
  check(client.ask(request));
  for (size_t i = 0; i < requests; ++i) {
    const Clock::time_point due = start + step * static_cast<int64_t>(i);
    std::this_thread::sleep_until(due);
    check(client.ask(request));
    out.push_back(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
  }
}

int rate(int port, bool tls, int seconds, int per_second) {
  const auto step = std::chrono::nanoseconds(1'000'000'000LL * rate_connections / per_second);
  const auto requests = static_cast<size_t>(per_second / rate_connections * seconds);
  const Clock::time_point start = Clock::now() + std::chrono::milliseconds(200);
  std::vector<std::vector<double>> each(rate_connections);
  std::vector<std::thread> threads;
  for (int i = 0; i < rate_connections; ++i) {
    threads.emplace_back([&, i] {
      pace(port, tls, start + step * i / rate_connections, step, requests, each[static_cast<size_t>(i)]);
    });
  }
  for (std::thread& t : threads) t.join();
  std::vector<double> all;
  for (const auto& some : each) all.insert(all.end(), some.begin(), some.end());
  std::ranges::sort(all);
  std::printf("%.0f %.0f\n", all[all.size() / 2], all[all.size() * 99 / 100]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 3 ? argv[1] : "";
  const int port = argc > 3 ? std::atoi(argv[2]) : 0;
  const int number = argc > 3 ? std::atoi(argv[3]) : 0;
  if (mode == "full" || mode == "resumed") return handshakes(port, mode == "resumed", number);
  if (mode == "idle") return idle(port, number);
  if ((mode == "rate" || mode == "rate-plain") && argc > 4)
    return rate(port, mode == "rate", number, std::atoi(argv[4]));
  give_up("usage: load full|resumed PORT SECONDS, load idle PORT COUNT, load rate PORT SECONDS RATE");
}
