// What tests of async and net share: a clock that they move, and a loop that runs until a task is done. One
// thread.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include "gateway/async/loop.h"
#include "gateway/async/task.h"

namespace sallyport::test {

// Moves both clocks of this process ahead; timers that are due by then fire at the loop's next look.
void advance(std::chrono::nanoseconds by);

namespace detail {
template <class T>
Task<> stop_after(Loop& loop, Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
  loop.stop();
}
inline Task<> stop_after(Loop& loop, Task<> task) {
  co_await task;
  loop.stop();
}
}  // namespace detail

// Runs the loop until the task is done, and gives its result.
template <class T>
T finish(Loop& loop, Task<T> task) {
  std::optional<T> out;
  Task<> all = detail::stop_after(loop, std::move(task), out);
  loop.run();
  return std::move(*out);
}
inline void finish(Loop& loop, Task<> task) {
  Task<> all = detail::stop_after(loop, std::move(task));
  loop.run();
}

// One turn of the loop.
inline void turn(Loop& loop) {
  loop.post([&loop] { loop.stop(); });
  loop.run();
}

}  // namespace sallyport::test
