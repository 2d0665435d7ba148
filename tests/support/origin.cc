#include "tests/support/origin.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <stdexcept>

namespace sallyport::test {
namespace {

class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}
  std::optional<std::string> until(const std::string& mark) {
    size_t at = 0;
    while ((at = bytes_.find(mark)) == std::string::npos) {
      if (!fill()) return std::nullopt;
    }
    return take(at + mark.size());
  }
  // Reads that much, and keeps the first part of it.
  std::optional<std::string> content(uint64_t count, size_t kept_max) {
    std::string kept;
    while (count > 0) {
      if (bytes_.empty() && !fill()) return std::nullopt;
      const std::string piece = take(std::min<uint64_t>(count, bytes_.size()));
      kept.append(piece, 0, std::min(piece.size(), kept_max - kept.size()));
      count -= piece.size();
    }
    return kept;
  }
  std::optional<std::string> exactly(size_t count) {
    while (bytes_.size() < count) {
      if (!fill()) return std::nullopt;
    }
    return take(count);
  }

  // What is there, or comes next; empty at the end.
  std::string some() {
    if (bytes_.empty()) fill();
    return take(bytes_.size());
  }

 private:
  std::string take(size_t count) {
    std::string out = bytes_.substr(0, count);
    bytes_.erase(0, count);
    return out;
  }
  bool fill() {
    std::array<char, 65536> block;
    const ssize_t n = recv(fd_, block.data(), block.size(), 0);
    if (n > 0) bytes_.append(block.data(), static_cast<size_t>(n));
    return n > 0;
  }
  int fd_;
  std::string bytes_;
};

std::optional<std::string> read_body(Input& input, const std::string& head, uint64_t& bytes,
                                     std::string& coded) {
  if (const size_t at = head.find("Content-Length: "); at != std::string::npos) {
    bytes = std::strtoull(head.c_str() + at + 16, nullptr, 10);
    auto body = input.content(bytes, Origin::body_kept_max);
    if (body) coded = *body;
    return body;
  }
  std::string body;
  if (head.find("Transfer-Encoding: chunked") == std::string::npos) return body;
  for (;;) {
    const auto size_line = input.until("\r\n");
    if (!size_line) return std::nullopt;
    const size_t size = std::strtoull(size_line->c_str(), nullptr, 16);
    const auto chunk = input.exactly(size + 2);
    if (!chunk) return std::nullopt;
    coded += *size_line + *chunk;
    body += chunk->substr(0, size);
    bytes = body.size();
    if (size == 0) return body;
  }
}

bool take_mark(std::string& answer, const std::string& mark) {
  const bool there = answer.ends_with(mark);
  if (there) answer.resize(answer.size() - mark.size());
  return there;
}

// What connect() to nowhere does: the connection goes with a reset, the descriptor stays.
void reset(int fd) {
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  connect(fd, &nowhere, sizeof nowhere);
}

// Gives back what it gets, until the end.
void echo(int fd, Input& input) {
  for (std::string piece = input.some(); !piece.empty(); piece = input.some()) {
    if (send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;
  }
}

}  // namespace

Origin::Answer Origin::ok(std::string body) {
  return [body](const OriginRequest&) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
}

Origin::Origin(Answer answer, Answer early)
    : answer_(std::move(answer)), early_(std::move(early)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
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

Origin::~Origin() {
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

void Origin::accept_all() {
  for (;;) {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    const int at_once = 1;  // what is sent unasked does not wait for an acknowledgement
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    const int number = ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void Origin::serve(int fd, int number) {
  Input input(fd);
  for (;;) {
    const auto head = input.until("\r\n\r\n");
    if (!head) break;
    uint64_t bytes = 0;
    std::string coded;
    const std::string early = early_ ? early_({*head, "", "", 0, number}) : "";
    if (!early.empty() && !answer_with(fd, early)) break;
    if (early.starts_with("HTTP/1.1 101 ")) {
      echo(fd, input);
      break;
    }
    const auto body = read_body(input, *head, bytes, coded);
    OriginRequest request{*head, body.value_or(broken_off), std::move(coded), bytes, number};
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    if (!body) break;
    if (!early.empty() && !early.starts_with("HTTP/1.1 1")) continue;
    if (!answer_with(fd, answer_(request))) break;
  }
  shutdown(fd, SHUT_RDWR);
}

void Origin::send_unasked(int connection, const std::string& bytes) {
  std::lock_guard lock(mutex_);
  send(open_[static_cast<size_t>(connection) - 1], bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// False if the connection is to be closed.
bool Origin::answer_with(int fd, std::string answer) {
  const bool resets = take_mark(answer, reset_mark);
  const bool last = answer.empty() || take_mark(answer, close_mark) || resets;
  size_t rounds = 1, content = 0;
  if (const size_t at = answer.rfind("\x01times:"); at != std::string::npos) {
    rounds = std::strtoull(answer.c_str() + at + 7, nullptr, 10);
    answer.resize(at);
    content = answer.find("\r\n\r\n") + 4;
  }
  size_t sent = 0;
  for (; rounds > 0; --rounds, sent = content) {
    while (sent < answer.size()) {
      const ssize_t n = send(fd, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
  }
  if (resets) reset(fd);
  return !last;
}

std::vector<OriginRequest> Origin::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

OriginRequest Origin::last() const {
  std::lock_guard lock(mutex_);
  if (requests_.empty()) throw std::runtime_error("no request has come to the origin");
  return requests_.back();
}

}  // namespace sallyport::test
