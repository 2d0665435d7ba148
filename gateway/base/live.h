// Live<T>: an immutable value that one thread replaces now and then, and that workers read without a lock.
//
// The reader keeps the last value it saw and looks at a version number on each use (one load of a line that
// rarely changes); only when that has moved does it take the mutex and fetch the new one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace sallyport {

template <class T>
class Live {
 public:
  // Any thread. The old value lives until the last reader has moved on.
  void publish(std::shared_ptr<const T> value) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    version_.fetch_add(1, std::memory_order_release);
  }
  // Any thread; takes the lock.
  std::shared_ptr<const T> load() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<uint64_t> version_{0};
};

// One worker's view of a Live<T>.
template <class T>
class LiveReader {
 public:
  explicit LiveReader(std::shared_ptr<const Live<T>> source) : source_(std::move(source)) {}
  // The newest value, or null before the first was published. Valid until the next call; keep shared() across
  // waits.
  const T* get() {
    refresh();
    return value_.get();
  }
  std::shared_ptr<const T> shared() {
    refresh();
    return value_;
  }

 private:
  void refresh() {
    const uint64_t version = source_->version();
    if (version == seen_) return;
    value_ = source_->load();
    seen_ = version;
  }
  std::shared_ptr<const Live<T>> source_;
  std::shared_ptr<const T> value_;
  uint64_t seen_ = 0;
};

}  // namespace sallyport
