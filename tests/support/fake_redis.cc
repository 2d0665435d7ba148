#include "tests/support/fake_redis.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace sallyport::test {
namespace {

// A command is an array of bulk strings (RESP).
class Commands {
 public:
  explicit Commands(int fd) : input_(fd) {}
  std::optional<FakeRedis::Words> next() {
    const auto count = number('*');
    if (!count) return std::nullopt;
    FakeRedis::Words words;
    for (size_t i = 0; i < *count; ++i) {
      const auto size = number('$');
      if (!size) return std::nullopt;
      const auto word = input_.exactly(*size + 2);
      if (!word) return std::nullopt;
      words.push_back(word->substr(0, *size));
    }
    return words;
  }

 private:
  std::optional<size_t> number(char kind) {
    const auto line = input_.until("\r\n");
    if (!line || line->front() != kind) return std::nullopt;
    return std::strtoull(line->c_str() + 1, nullptr, 10);
  }
  Received input_;
};

}  // namespace

FakeRedis::FakeRedis(Answer answer)
    : answer_(std::move(answer)), server_([this](int fd, int number) { serve(fd, number); }) {}

void FakeRedis::serve(int fd, int number) {
  Commands commands(fd);
  while (const auto words = commands.next()) {
    {
      std::lock_guard lock(mutex_);
      commands_.push_back(words->front());
    }
    const std::string reply = answer_(*words, number);
    if (reply.empty() || !send_all(fd, reply)) break;
  }
}

int FakeRedis::count(const std::string& command) const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::ranges::count(commands_, command));
}

std::string FakeRedis::answer(const Words& call, const std::string& reply) {
  const std::string& number = call.back();
  return "*2\r\n$" + std::to_string(number.size()) + "\r\n" + number + "\r\n" + reply;
}

std::string FakeRedis::good(const Words& words) {
  if (words.front() == "PING") return "+PONG\r\n";
  if (words.front() == "SCRIPT") return "$40\r\n" + std::string(40, 'a') + "\r\n";
  if (words.front() == "EVALSHA" || words.front() == "EVAL") return answer(words, "*2\r\n:1\r\n:1000\r\n");
  return "+OK\r\n";
}

}  // namespace sallyport::test
