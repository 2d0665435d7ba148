#include "tests/support/fake_dns.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace sallyport::test {
namespace {

constexpr size_t header_bytes = 12;
constexpr int look_every_ms = 20;  // whether it is over

std::string u16(unsigned n) { return {static_cast<char>(n >> 8), static_cast<char>(n & 0xff)}; }

// False if it is no query of one question.
bool read(const std::string& bytes, FakeDns::Query& query) {
  if (bytes.size() < header_bytes + 5) return false;
  size_t at = header_bytes;
  while (at < bytes.size() && bytes[at] != 0) {
    const size_t length = static_cast<unsigned char>(bytes[at]);
    if (length > 63 || at + 1 + length >= bytes.size()) return false;
    query.name += (query.name.empty() ? "" : ".") + bytes.substr(at + 1, length);
    at += 1 + length;
  }
  if (at + 5 > bytes.size()) return false;
  query.type = static_cast<unsigned char>(bytes[at + 2]);
  query.id = bytes.substr(0, 2);
  query.question = bytes.substr(header_bytes, at + 5 - header_bytes);
  return true;
}

}  // namespace

FakeDns::FakeDns(Answer answer) : answer_(std::move(answer)) {
  socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = reinterpret_cast<sockaddr*>(&here);
  socklen_t size = sizeof here;
  const bool good = bind(listener_, address, size) == 0 && getsockname(listener_, address, &size) == 0 &&
                    bind(socket_, address, size) == 0 && listen(listener_, 16) == 0;
  if (!good) throw std::runtime_error("fake DNS: cannot bind");
  port_ = ntohs(here.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeDns::~FakeDns() {
  over_ = true;
  thread_.join();
  close(socket_);
  close(listener_);
}

size_t FakeDns::count(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::ranges::count_if(names_, [&](const std::string& n) { return name.empty() || n == name; }));
}

void FakeDns::serve() {
  while (!over_) {
    std::array<pollfd, 2> ready = {{{socket_, POLLIN, 0}, {listener_, POLLIN, 0}}};
    if (poll(ready.data(), ready.size(), look_every_ms) <= 0) continue;
    if (ready[0].revents != 0) serve_datagram();
    if (ready[1].revents != 0) serve_connection();
  }
}

std::vector<std::string> FakeDns::answers(const std::string& bytes, bool tcp) {
  Query query;
  if (!read(bytes, query)) return {};
  query.tcp = tcp;
  {
    const std::lock_guard lock(mutex_);
    names_.push_back(query.name);
  }
  return answer_(query);
}

void FakeDns::serve_datagram() {
  std::array<char, 2048> bytes;
  sockaddr_in from{};
  auto* address = reinterpret_cast<sockaddr*>(&from);
  socklen_t size = sizeof from;
  const ssize_t got = recvfrom(socket_, bytes.data(), bytes.size(), 0, address, &size);
  if (got <= 0) return;
  for (const std::string& out : answers({bytes.data(), static_cast<size_t>(got)}, false))
    sendto(socket_, out.data(), out.size(), 0, address, size);
}

// All queries of one connection, each with its length in front (RFC 1035 section 4.2.2).
void FakeDns::serve_connection() {
  const int connection = accept(listener_, nullptr, nullptr);
  const timeval patience{5, 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::array<unsigned char, 2> length{};
  while (recv(connection, length.data(), 2, MSG_WAITALL) == 2) {
    std::string bytes(length[0] * 256u + length[1], '\0');
    if (recv(connection, bytes.data(), bytes.size(), MSG_WAITALL) <= 0) break;
    for (const std::string& answer : answers(bytes, true)) {
      const std::string out = u16(static_cast<unsigned>(answer.size())) + answer;
      send(connection, out.data(), out.size(), MSG_NOSIGNAL);
    }
  }
  close(connection);
}

std::string FakeDns::message(const Query& query, int flags, int records) {
  const auto more = static_cast<unsigned>(flags);
  return query.id + u16(0x8180u | more) + u16(1) + u16(static_cast<unsigned>(records)) + u16(0) + u16(0) +
         query.question;
}

std::vector<std::string> FakeDns::addresses(const Query& query, const std::vector<std::string>& all,
                                            uint32_t ttl) {
  std::string records;
  int count = 0;
  for (const std::string& address : all) {
    std::array<char, 16> raw{};
    const bool v6 = address.contains(':');
    if (query.type != (v6 ? aaaa : a)) continue;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), raw.data()) != 1)
      throw std::runtime_error("fake DNS: no address");
    const unsigned bytes = v6 ? 16 : 4;
    records += u16(0xc00c) + u16(static_cast<unsigned>(query.type)) + u16(1) + u16(ttl >> 16) +
               u16(ttl & 0xffff) + u16(bytes) + std::string(raw.data(), bytes);
    ++count;
  }
  return {message(query, 0, count) + records};
}

}  // namespace sallyport::test
