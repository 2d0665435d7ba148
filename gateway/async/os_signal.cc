#include "gateway/async/os_signal.h"

#include <uv.h>

#include <csignal>
#include <utility>

namespace sallyport {

struct OsSignal::Impl {
  uv_signal_t handle;
  std::move_only_function<void()> caught;
};

OsSignal::OsSignal(Loop& loop, int number, std::move_only_function<void()> caught)
    : impl_(new Impl{{}, std::move(caught)}) {
  uv_signal_init(loop.raw(), &impl_->handle);
  impl_->handle.data = impl_;
  uv_signal_start(
      &impl_->handle, [](uv_signal_t* handle, int) { static_cast<Impl*>(handle->data)->caught(); }, number);
}

// Beside libuv, which would put the default action in place of its handler: for most signals, the process's
// end.
void OsSignal::ignore() noexcept { std::signal(impl_->handle.signum, SIG_IGN); }

OsSignal::~OsSignal() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

}  // namespace sallyport
