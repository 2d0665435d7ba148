#include "tests/support/origin.h"

#include <sys/socket.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>

namespace sallyport::test {
namespace {

std::optional<std::string> read_body(Received& input, const std::string& head, uint64_t& bytes,
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
void echo(int fd, Received& input) {
  for (std::string piece = input.some(); !piece.empty(); piece = input.some()) {
    if (!send_all(fd, piece)) return;
  }
}

}  // namespace

Origin::Answer Origin::ok(std::string body) {
  return [body](const OriginRequest&) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
}

Origin::Origin(Answer answer, Answer early, const Place& place)
    : answer_(std::move(answer)),
      early_(std::move(early)),
      server_([this](int fd, int number) { serve(fd, number); }, place) {}

void Origin::serve(int fd, int number) {
  Received input(fd);
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
    if (!send_all(fd, answer, sent)) return false;
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
