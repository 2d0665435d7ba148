// Task<T>: work that may wait. A coroutine that starts at once, and is cancelled by destroying its Task.
//
// A Task belongs to one worker's thread. Destroying one that waits destroys its frame, and with it the
// locals, the tasks it awaits and the awaiters, each of which takes itself out of whatever it waits for. A
// function that knows its answer at once returns Task<T>::ready(value) and costs no frame.
//
// Rules: no capturing lambda is a coroutine (tests/house.cc looks); nothing borrowed crosses an await unless
// its owner outlives the task (whoever writes it looks, and the sanitizers); exceptions do not pass through:
// one that reaches a task ends the process.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "gateway/base/small_pool.h"

namespace sallyport {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = nullptr;

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> done) const noexcept {
      std::coroutine_handle<> next = done.promise().continuation;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_never initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  static void* operator new(size_t bytes) { return small_pool::allocate(bytes); }
  static void operator delete(void* frame, size_t bytes) noexcept { small_pool::release(frame, bytes); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  static Task ready(T value) {
    Task task;
    task.value_.emplace(std::move(value));
    return task;
  }
  Task(Task&& other) noexcept
      : frame_(std::exchange(other.frame_, nullptr)), value_(std::exchange(other.value_, std::nullopt)) {}
  Task& operator=(Task&& other) noexcept {
    if (this == &other) return *this;
    cancel();
    frame_ = std::exchange(other.frame_, nullptr);
    value_ = std::exchange(other.value_, std::nullopt);
    return *this;
  }
  ~Task() { cancel(); }

  bool done() const noexcept { return value_.has_value() || (frame_ && frame_.done()); }
  // The result of a task that is done, without awaiting it.
  T take() { return await_resume(); }
  // Nobody waits for it any more; it goes on.
  void leave() noexcept {
    if (frame_) frame_.promise().continuation = nullptr;
  }

  bool await_ready() const noexcept { return done(); }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { frame_.promise().continuation = waiting; }
  T await_resume() {
    if (value_) return std::move(*value_);
    return std::move(*frame_.promise().value);
  }

 private:
  friend promise_type;
  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  void cancel() noexcept {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

  std::coroutine_handle<promise_type> frame_ = nullptr;
  std::optional<T> value_;
};

template <>
class [[nodiscard]] Task<void> {
 public:
  using promise_type = detail::Promise<void>;

  static Task ready() noexcept { return Task(); }
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this == &other) return *this;
    cancel();
    frame_ = std::exchange(other.frame_, nullptr);
    return *this;
  }
  ~Task() { cancel(); }

  bool done() const noexcept { return !frame_ || frame_.done(); }
  void leave() noexcept {
    if (frame_) frame_.promise().continuation = nullptr;
  }

  bool await_ready() const noexcept { return done(); }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { frame_.promise().continuation = waiting; }
  void await_resume() const noexcept {}

 private:
  friend promise_type;
  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  void cancel() noexcept {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

  std::coroutine_handle<promise_type> frame_ = nullptr;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

// co_await FirstOf(a, b): until one of two tasks is done (see done()). Both stay what they are: the other one
// goes on, and either may be awaited or destroyed afterwards.
template <class A, class B>
class FirstOf {
 public:
  FirstOf(Task<A>& a, Task<B>& b) noexcept : a_(a), b_(b) {}
  FirstOf(const FirstOf&) = delete;
  ~FirstOf() {
    if (waiting_) leave();
  }
  bool await_ready() const noexcept { return a_.done() || b_.done(); }
  void await_suspend(std::coroutine_handle<> waiting) noexcept {
    waiting_ = true;
    a_.await_suspend(waiting);
    b_.await_suspend(waiting);
  }
  void await_resume() noexcept {
    if (waiting_) leave();
    waiting_ = false;
  }

 private:
  void leave() noexcept {
    a_.leave();
    b_.leave();
  }
  Task<A>& a_;
  Task<B>& b_;
  bool waiting_ = false;
};

}  // namespace sallyport
