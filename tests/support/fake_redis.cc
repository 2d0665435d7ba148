#include "tests/support/fake_redis.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

namespace sallyport::test {
namespace {

// A command is an array of bulk strings (RESP).
class Commands {
 public:
  explicit Commands(int fd) : fd_(fd) {}
  std::optional<FakeRedis::Words> next() {
    const auto count = number('*');
    if (!count) return std::nullopt;
    FakeRedis::Words words;
    for (size_t i = 0; i < *count; ++i) {
      const auto size = number('$');
      if (!size) return std::nullopt;
      const auto word = take(*size + 2);
      if (!word) return std::nullopt;
      words.push_back(word->substr(0, *size));
    }
    return words;
  }

 private:
  std::optional<size_t> number(char kind) {
    while (bytes_.find("\r\n") == std::string::npos) {
      if (!fill()) return std::nullopt;
    }
    const auto line = take(bytes_.find("\r\n") + 2);
    if (!line || line->front() != kind) return std::nullopt;
    return std::strtoull(line->c_str() + 1, nullptr, 10);
  }
  std::optional<std::string> take(size_t count) {
    while (bytes_.size() < count) {
      if (!fill()) return std::nullopt;
    }
    std::string out = bytes_.substr(0, count);
    bytes_.erase(0, count);
    return out;
  }
  bool fill() {
    std::array<char, 16384> block;
    const ssize_t n = recv(fd_, block.data(), block.size(), 0);
    if (n > 0) bytes_.append(block.data(), static_cast<size_t>(n));
    return n > 0;
  }
  int fd_;
  std::string bytes_;
};

}  // namespace

FakeRedis::FakeRedis(Answer answer) : answer_(std::move(answer)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  listen(listener_, 64);
  socklen_t size = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeRedis::~FakeRedis() {
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

void FakeRedis::accept_all() {
  for (;;) {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    const int number = ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void FakeRedis::serve(int fd, int number) {
  Commands commands(fd);
  while (const auto words = commands.next()) {
    {
      std::lock_guard lock(mutex_);
      commands_.push_back(words->front());
    }
    const std::string reply = answer_(*words, number);
    if (reply.empty() || send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
  }
  shutdown(fd, SHUT_RDWR);
}

int FakeRedis::count(const std::string& command) const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::ranges::count(commands_, command));
}

std::string FakeRedis::good(const Words& words) {
  if (words.front() == "PING") return "+PONG\r\n";
  if (words.front() == "SCRIPT") return "$40\r\n" + std::string(40, 'a') + "\r\n";
  if (words.front() == "EVALSHA" || words.front() == "EVAL") return "*2\r\n:1\r\n:1000\r\n";
  return "+OK\r\n";
}

}  // namespace sallyport::test
