#include "gateway/observe/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/observe/log.h"

namespace sallyport::observe {
namespace {

constexpr auto gather_every = std::chrono::milliseconds(200);
constexpr auto stuck_max =
    std::chrono::seconds(2);  // at the end: how long an output that takes nothing is waited for
constexpr int poll_ms = 200;
constexpr size_t line_max = 16 * 1024;  // every field at its longest, all escaped

// Bytes from one worker to the writer: a ring with one producer and one consumer.
class Ring {
 public:
  explicit Ring(size_t bytes) : bytes_(bytes) {}

  // Producer. False if there is no room.
  bool push(Slice line) noexcept {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t tail = tail_.load(std::memory_order_acquire);
    if (bytes_.size() - (head - tail) < line.size()) return false;
    const size_t at = head % bytes_.size();
    const size_t first = std::min(line.size(), bytes_.size() - at);
    std::memcpy(bytes_.data() + at, line.data(), first);
    std::memcpy(bytes_.data(), line.data() + first, line.size() - first);
    head_.store(head + line.size(), std::memory_order_release);
    return true;
  }
  // Where a line of at most `most` bytes may be formatted in place, or null if the ring wraps or is full
  // there.
  char* room(size_t most) noexcept {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t tail = tail_.load(std::memory_order_acquire);
    const size_t at = head % bytes_.size();
    if (bytes_.size() - at < most || bytes_.size() - (head - tail) < most) return nullptr;
    return bytes_.data() + at;
  }
  void commit(size_t bytes) noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }
  bool half_full() const noexcept {
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed) > bytes_.size() / 2;
  }

  // Consumer: what can be written in one piece.
  Slice readable() const noexcept {
    const uint64_t head = head_.load(std::memory_order_acquire);
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    const size_t at = tail % bytes_.size();
    return {bytes_.data() + at, std::min<size_t>(head - tail, bytes_.size() - at)};
  }
  void consume(size_t bytes) noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }

  std::atomic<uint64_t> lost{0};  // written by the producer

 private:
  std::vector<char> bytes_;
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace

struct AccessLog::Impl {
  Options options;
  std::vector<std::unique_ptr<Ring>> rings;
  std::thread writer;
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable flushed;
  uint64_t flush_asked = 0;
  uint64_t flush_done = 0;
  bool reopen_asked = false;
  bool ending = false;
  std::atomic<bool> nudged{false};

  // of the writer thread
  int fd = -1;
  bool failing = false;  // the last write failed: lines stay in their rings until it works, or are dropped
                         // when these are full
  uint64_t lost_told = 0;
  size_t stuck_at = 0;  // the ring that is written next

  Result<void> open_output();
  void run();
  bool gather();
  bool write_ring(Ring& ring);
  void note_failure(int cause);
  void note_recovery();
  uint64_t lost() const {
    uint64_t sum = 0;
    for (const auto& ring : rings) sum += ring->lost.load(std::memory_order_relaxed);
    return sum;
  }
};

Result<void> AccessLog::Impl::open_output() {
  using To = Options::To;
  if (options.to == To::out) fd = STDOUT_FILENO;
  if (options.to == To::err) fd = STDERR_FILENO;
  if (options.to != To::file) return {};
  const int opened = ::open(options.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (opened < 0) return fail(Code::io, "cannot_open", options.path + ": " + std::strerror(errno));
  if (fd >= 0) close(fd);
  fd = opened;
  return {};
}

void AccessLog::Impl::note_failure(int cause) {
  if (std::exchange(failing, true)) return;
  log(Level::error, "access_log_stuck", {{"cause", std::strerror(cause)}});
}

void AccessLog::Impl::note_recovery() {
  if (!std::exchange(failing, false)) return;
  const uint64_t now = lost();
  log(Level::warn, "access_log_recovered",
      {{"lines_lost", std::to_string(now - std::exchange(lost_told, now))}});
}

// Writes what one ring holds; false if the output takes nothing now. A write that stops inside a line goes on
// there the next time: the ring still has the rest, so one request stays one line.
bool AccessLog::Impl::write_ring(Ring& ring) {
  for (Slice bytes = ring.readable(); !bytes.empty(); bytes = ring.readable()) {
    pollfd ready{fd, POLLOUT, 0};
    if (poll(&ready, 1, poll_ms) == 0) return false;  // a pipe that nobody reads
    const ssize_t written = ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), 64 * 1024));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      if (errno != EAGAIN) note_failure(errno);
      return false;
    }
    ring.consume(static_cast<size_t>(written));
    note_recovery();
  }
  return true;
}

bool AccessLog::Impl::gather() {
  nudged.store(false, std::memory_order_relaxed);
  for (size_t i = 0; i < rings.size(); ++i) {
    if (!write_ring(*rings[stuck_at]))
      return false;  // and goes on there: no other ring may start inside its line
    stuck_at = (stuck_at + 1) % rings.size();
  }
  return true;
}

void AccessLog::Impl::run() {
  auto give_up = std::chrono::steady_clock::time_point::max();
  for (;;) {
    bool end = false, again = false;
    uint64_t asked = 0;
    {
      std::unique_lock lock(mutex);
      wake.wait_for(lock, gather_every, [&] {
        return ending || reopen_asked || flush_asked > flush_done || nudged.load(std::memory_order_relaxed);
      });
      end = ending;
      again = std::exchange(reopen_asked, false);
      asked = flush_asked;
    }
    if (again) {
      if (Result<void> opened = open_output(); !opened)
        log(Level::error, "access_log_reopen_failed", {{"cause", opened.error().detail}});
    }
    const bool all = gather();
    {
      std::lock_guard lock(mutex);
      flush_done = asked;
    }
    flushed.notify_all();
    if (!end) continue;
    const auto now = std::chrono::steady_clock::now();
    give_up = std::min(give_up, now + stuck_max);
    if (all || now >= give_up) return;
  }
}

AccessLog::AccessLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<AccessLog>> AccessLog::open(Options options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  if (impl->options.to == Options::To::off) return std::make_unique<AccessLog>(std::move(impl));
  if (Result<void> opened = impl->open_output(); !opened) return std::unexpected(std::move(opened.error()));
  for (size_t i = 0; i < impl->options.workers; ++i)
    impl->rings.push_back(std::make_unique<Ring>(impl->options.ring_bytes));
  Impl& running = *impl;
  impl->writer = std::thread([&running] { running.run(); });
  return std::make_unique<AccessLog>(std::move(impl));
}

AccessLog::~AccessLog() {
  if (!impl_->writer.joinable()) return;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->wake.notify_all();
  impl_->writer.join();
  if (impl_->options.to == Options::To::file) close(impl_->fd);
}

bool AccessLog::enabled() const noexcept { return !impl_->rings.empty(); }
uint64_t AccessLog::lost() const noexcept { return impl_->lost(); }

void AccessLog::write(size_t worker, const AccessRecord& record) noexcept {
  Ring& ring = *impl_->rings[worker];
  bool kept = false;
  if (char* room = ring.room(line_max)) {
    const size_t length = format_access_line(record, room, line_max);
    kept = length > 0;
    ring.commit(length);
  } else {
    std::array<char, line_max> bounce;
    const size_t length = format_access_line(record, bounce.data(), bounce.size());
    kept = length > 0 && ring.push({bounce.data(), length});
  }
  if (!kept) ring.lost.store(ring.lost.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (ring.half_full() && !impl_->nudged.exchange(true, std::memory_order_relaxed)) impl_->wake.notify_one();
}

void AccessLog::reopen() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->reopen_asked = true;
  }
  impl_->wake.notify_all();
}

void AccessLog::flush() {
  if (!enabled()) return;
  std::unique_lock lock(impl_->mutex);
  const uint64_t mine = ++impl_->flush_asked;
  impl_->wake.notify_all();
  impl_->flushed.wait(lock, [&] { return impl_->flush_done >= mine; });
}

}  // namespace sallyport::observe
