// Nursery: owns tasks that nobody awaits. Destroying it cancels them all. One worker's thread.
#pragma once

#include <coroutine>
#include <cstddef>

#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/base/list.h"

namespace sallyport {

class Nursery {
 public:
  Nursery() = default;
  Nursery(const Nursery&) = delete;
  Nursery& operator=(const Nursery&) = delete;
  ~Nursery() { cancel_all(); }

  // Takes the task over; it is destroyed when it ends, or with the nursery.
  void start(Task<> task);
  void cancel_all() noexcept;
  // The one that was started first, of those that are left; not from within one of them.
  void cancel_oldest() noexcept;
  size_t size() const noexcept { return size_; }
  // co_await nursery.empty(): until no task is left.
  Event::Wait empty() noexcept { return empty_.wait(); }

 private:
  struct Child;
  static Child run(Nursery& nursery, Task<> task);

  struct Promise : ListNode, detail::PromiseBase {
    Promise(Nursery& nursery, Task<>&) noexcept;
    ~Promise();
    Child get_return_object() noexcept;
    std::suspend_never final_suspend() const noexcept { return {}; }  // the frame ends itself
    void return_void() const noexcept {}
    Nursery& nursery;
  };

  List<Promise> children_;
  size_t size_ = 0;
  Event empty_{true};
};

struct Nursery::Child {
  using promise_type = Promise;
};

}  // namespace sallyport
