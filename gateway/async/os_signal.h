// OsSignal: a POSIX signal as a callback on the loop. Main thread's loop only; ends with the object.
#pragma once

#include <functional>
#include <memory>

#include "gateway/async/loop.h"

namespace sallyport {

class OsSignal {
 public:
  OsSignal(Loop& loop, int number, std::move_only_function<void()> caught);
  OsSignal(const OsSignal&) = delete;
  ~OsSignal();
  // From now on the process ignores it; the callback is not called any more.
  void ignore() noexcept;

 private:
  struct Impl;
  Impl* impl_;  // lives until libuv has let go of its handle
};

}  // namespace sallyport
