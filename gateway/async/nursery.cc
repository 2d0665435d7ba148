#include "gateway/async/nursery.h"

#include <utility>

namespace sallyport {

Nursery::Promise::Promise(Nursery& owner, Task<>&) noexcept : nursery(owner) {
  nursery.children_.push_back(*this);
  ++nursery.size_;
  nursery.empty_.reset();
}

Nursery::Promise::~Promise() {
  unlink();
  if (--nursery.size_ == 0) nursery.empty_.set();
}

Nursery::Child Nursery::Promise::get_return_object() noexcept { return {}; }

// A local, for a parameter would outlive the promise: whoever waits for empty() would be resumed before the
// task is gone.
Nursery::Child Nursery::run(Nursery&, Task<> task) {
  Task<> child = std::move(task);
  co_await child;
}

void Nursery::start(Task<> task) {
  if (task.done()) return;
  run(*this, std::move(task));
}

void Nursery::cancel_oldest() noexcept {
  if (Promise* child = children_.front()) std::coroutine_handle<Promise>::from_promise(*child).destroy();
}

void Nursery::cancel_all() noexcept {
  while (!children_.empty()) cancel_oldest();
}

}  // namespace sallyport
