#include "gateway/async/offload.h"

#include <uv.h>

#include <coroutine>
#include <utility>

namespace sallyport {
namespace {

// Lives until the work is done, also if its waiter has been cancelled meanwhile.
struct Job {
  uv_work_t request;
  std::move_only_function<void()> work;
  std::coroutine_handle<> waiting = nullptr;
};

class Offloaded {
 public:
  Offloaded(Loop& loop, std::move_only_function<void()> work)
      : loop_(loop), job_(new Job{{}, std::move(work), {}}) {}
  Offloaded(const Offloaded&) = delete;
  ~Offloaded() {
    if (job_ != nullptr) job_->waiting = nullptr;
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    job_->waiting = waiting;
    job_->request.data = this;
    uv_queue_work(
        loop_.raw(), &job_->request, [](uv_work_t* request) { reinterpret_cast<Job*>(request)->work(); },
        [](uv_work_t* request, int) {
          auto* job = reinterpret_cast<Job*>(request);
          const std::coroutine_handle<> waiting_now = job->waiting;
          if (waiting_now) static_cast<Offloaded*>(request->data)->job_ = nullptr;
          delete job;
          if (waiting_now) waiting_now.resume();
        });
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
  Job* job_;
};

}  // namespace

Task<> offload(Loop& loop, std::move_only_function<void()> work) {
  co_await Offloaded(loop, std::move(work));
}

}  // namespace sallyport
