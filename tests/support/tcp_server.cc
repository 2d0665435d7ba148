#include "tests/support/tcp_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace sallyport::test {

std::optional<std::string> Received::until(const std::string& mark) {
  size_t at = 0;
  while ((at = bytes_.find(mark)) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  return take(at + mark.size());
}

std::optional<std::string> Received::exactly(size_t count) {
  while (bytes_.size() < count) {
    if (!fill()) return std::nullopt;
  }
  return take(count);
}

std::optional<std::string> Received::content(uint64_t count, size_t kept_max) {
  std::string kept;
  while (count > 0) {
    if (bytes_.empty() && !fill()) return std::nullopt;
    const std::string piece = take(std::min<uint64_t>(count, bytes_.size()));
    kept.append(piece, 0, std::min(piece.size(), kept_max - kept.size()));
    count -= piece.size();
  }
  return kept;
}

std::string Received::some() {
  if (bytes_.empty()) fill();
  return take(bytes_.size());
}

std::string Received::take(size_t count) {
  std::string out = bytes_.substr(0, count);
  bytes_.erase(0, count);
  return out;
}

bool Received::fill() {
  std::array<char, 65536> block;
  const ssize_t n = recv(fd_, block.data(), block.size(), 0);
  if (n > 0) bytes_.append(block.data(), static_cast<size_t>(n));
  return n > 0;
}

bool send_all(int fd, const std::string& bytes, size_t from) {
  while (from < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + from, bytes.size() - from, MSG_NOSIGNAL);
    if (n <= 0) return false;
    from += static_cast<size_t>(n);
  }
  return true;
}

TcpServer::TcpServer(Serve serve, const Place& place)
    : serve_(std::move(serve)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(place.port));
  inet_pton(AF_INET, place.address.c_str(), &address.sin_addr);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 64) != 0) {
    close(listener_);
    throw std::runtime_error("TCP server: cannot listen on " + place.address);
  }
  socklen_t size = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

TcpServer::~TcpServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    std::lock_guard lock(mutex_);
    for (int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& t : threads_) t.join();
  for (int fd : open_) close(fd);
}

void TcpServer::accept_all() {
  for (;;) {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    const int at_once = 1;  // what is sent unasked does not wait for an acknowledgement
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    const int number = ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number] {
      serve_(fd, number);
      shutdown(fd, SHUT_RDWR);
    });
  }
}

void TcpServer::send_unasked(int connection, const std::string& bytes) {
  std::lock_guard lock(mutex_);
  send_all(open_[static_cast<size_t>(connection) - 1], bytes);
}

}  // namespace sallyport::test
