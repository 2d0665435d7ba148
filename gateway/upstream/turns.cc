#include "gateway/upstream/turns.h"

#include <utility>

#include "gateway/base/cidr.h"

namespace sallyport::upstream {

Turns::Waiter::Waiter(Turns& turns, Slice client_ip) : turns_(turns) {
  IpBytes bytes;
  const auto [at, is_new] = turns.lines_.try_emplace(std::string(caller_of(client_ip, bytes)));
  line_ = &at->second;
  if (is_new) {
    line_->client = at->first;
    turns.turns_.push_back(*line_);
  }
  line_->waiters.push_back(*this);
  ++turns_.size_;
}

Turns::Waiter::~Waiter() {
  if (line_ == nullptr) return;
  unlink();
  --turns_.size_;
  turns_.drop_if_empty(*line_);
}

Task<bool> Turns::Waiter::wait(Loop& loop, Monotonic deadline) {
  WaitUntil here(loop, deadline);
  waits_ = &here;
  co_await here;
  waits_ = nullptr;
  co_return line_ == nullptr;
}

void Turns::Waiter::call() {
  if (waits_ != nullptr) waits_->notify();
}

Turns::Waiter* Turns::next() {
  Line* line = turns_.pop_front();
  if (line == nullptr) return nullptr;
  Waiter* first = line->waiters.pop_front();
  first->line_ = nullptr;
  --size_;
  turns_.push_back(*line);
  drop_if_empty(*line);
  return first;
}

void Turns::drop_if_empty(Line& line) {
  if (line.waiters.empty()) lines_.erase(lines_.find(line.client));
}

}  // namespace sallyport::upstream
