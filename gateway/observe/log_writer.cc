#include "gateway/observe/log_writer.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "gateway/observe/log.h"

namespace sallyport::observe {
namespace {

using Clock = std::chrono::steady_clock;  // real time, also where tests move ours
constexpr int write_every_ms = 200;
constexpr int ending_every_ms = 20;
constexpr std::chrono::milliseconds end_max(1000);

}  // namespace

LogStream::LogStream(const std::string& name, LogOutput output, size_t producers, size_t ring_bytes)
    : stuck_event_(name + "_stuck"), recovered_event_(name + "_recovered"), output_(std::move(output)) {
  for (size_t i = 0; i < producers; ++i) rings_.push_back(std::make_unique<LogRing>(ring_bytes));
}

uint64_t LogStream::lost() const noexcept {
  uint64_t sum = 0;
  for (const auto& ring : rings_) sum += ring->lost();
  return sum;
}

void LogStream::use(LogOutput output) {
  std::lock_guard lock(mutex_);
  next_output_ = std::make_unique<LogOutput>(std::move(output));
}

void LogStream::note_failure(Slice cause) {
  if (std::exchange(failing_, true)) return;
  log(Level::error, stuck_event_, {{"cause", cause}});
}

void LogStream::note_rest() {
  size_t lines = 0;
  for (const auto& ring : rings_) {
    for (size_t at = 0; at < ring->held();) {
      const Slice part = ring->readable(at);
      lines += static_cast<size_t>(std::ranges::count(part, '\n'));
      at += part.size();
    }
  }
  if (lines > 0) log(Level::error, stuck_event_ + "_at_end", {{"lines_lost", std::to_string(lines)}});
}

void LogStream::note_recovery() {
  const uint64_t now = lost();
  if (!std::exchange(failing_, false) && now == lost_told_) return;
  log(Level::warn, recovered_event_, {{"lines_lost", std::to_string(now - std::exchange(lost_told_, now))}});
}

// What the ring holds now: what comes meanwhile is for the next time. A write that stops inside a line goes
// on there the next time, so one request stays one line.
LogStream::Left LogStream::write_ring(LogRing& ring) {
  for (size_t held = ring.held(); begun_ < held;) {
    const Slice bytes = ring.readable(begun_).substr(0, held - begun_);
    const ssize_t written = output_.write(bytes);
    if (written == 0) {
      if (lost() != lost_told_) note_failure("nobody takes what is written, and lines are lost");
      return Left::stuck;
    }
    if (written < 0) {
      note_failure(std::strerror(errno));
      return Left::failing;
    }
    held -= let_go(ring, bytes.substr(0, static_cast<size_t>(written)));
  }
  return Left::nothing;
}

// Lines leave the ring whole, as what one output has begun may have to begin anew in the next.
size_t LogStream::let_go(LogRing& ring, Slice written) {
  const size_t lines = written.rfind('\n') + 1;  // npos + 1 is 0
  const size_t whole = lines == 0 ? 0 : begun_ + lines;
  begun_ = begun_ + written.size() - whole;
  ring.consume(whole);
  return whole;
}

// The line that the old output has begun is ended there; if it does not take that, the next has all of it.
void LogStream::turn_to(LogOutput next) {
  LogRing& ring = *rings_[turn_];
  while (begun_ > 0) {
    const Slice rest = ring.readable(begun_);
    const size_t end = rest.find('\n');
    const Slice line = end == Slice::npos ? rest : rest.substr(0, end + 1);
    const ssize_t written = output_.write(line);
    if (written <= 0) break;
    let_go(ring, line.substr(0, static_cast<size_t>(written)));
  }
  output_ = std::move(next);
  begun_ = 0;
}

LogStream::Left LogStream::write_out() {
  std::unique_ptr<LogOutput> next;
  {
    std::lock_guard lock(mutex_);
    next = std::exchange(next_output_, nullptr);
  }
  if (next != nullptr) turn_to(std::move(*next));
  for (size_t i = 0; i < rings_.size(); ++i) {
    const Left left = write_ring(*rings_[turn_]);
    if (left != Left::nothing) return left;  // and goes on there: no other ring may start inside its line
    turn_ = (turn_ + 1) % rings_.size();
  }
  note_recovery();
  return Left::nothing;
}

LogWriter::LogWriter() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  if (!end()) std::_Exit(EXIT_FAILURE);
}

void LogWriter::add(std::shared_ptr<LogStream> stream) {
  std::lock_guard lock(mutex_);
  streams_.push_back(std::move(stream));
}

void LogWriter::nudge() noexcept {
  if (!nudged_.exchange(true, std::memory_order_relaxed)) wake();
}

void LogWriter::wake() noexcept { eventfd_write(wake_.get(), 1); }

void LogWriter::flush() {
  std::unique_lock lock(mutex_);
  const uint64_t mine = ++flush_asked_;
  wake();
  changed_.wait(lock, [&] { return flush_done_ >= mine || ended_; });
}

bool LogWriter::end() {
  if (!thread_.joinable()) return true;
  ending_.store(true, std::memory_order_release);
  wake();
  {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, end_max + end_max / 4, [&] { return ended_; })) return false;
  }
  thread_.join();
  return true;
}

// True if nothing is left; stuck: the outputs that will take more once poll() says so.
bool LogWriter::write_all(std::vector<int>& stuck) {
  std::vector<std::shared_ptr<LogStream>> streams, over;
  uint64_t asked = 0;
  {
    std::lock_guard lock(mutex_);
    streams = streams_;
    asked = flush_asked_;
  }
  bool all = true;
  for (const auto& stream : streams) {
    const bool closed = stream->closed_.load(std::memory_order_acquire);
    const LogStream::Left left = stream->write_out();
    if (left == LogStream::Left::stuck) stuck.push_back(stream->output_.descriptor());
    if (left != LogStream::Left::nothing) all = false;
    if (closed && left == LogStream::Left::nothing) over.push_back(stream);
  }
  {
    std::lock_guard lock(mutex_);
    std::erase_if(streams_, [&](const auto& s) { return std::ranges::find(over, s) != over.end(); });
    flush_done_ = asked;
  }
  changed_.notify_all();
  return all;
}

void LogWriter::run() {
  auto give_up = Clock::time_point::max();
  for (bool all = true;;) {
    const bool ending = ending_.load(std::memory_order_acquire);
    nudged_.store(!all, std::memory_order_relaxed);  // an output that is stuck does not hear of each line
    std::vector<int> stuck;
    all = write_all(stuck);
    if (ending) {
      give_up = std::min(give_up, Clock::now() + end_max);
      if (all || Clock::now() >= give_up) break;
    }
    std::vector<pollfd> wait{{wake_.get(), POLLIN, 0}};
    for (const int fd : stuck) wait.push_back({fd, POLLOUT, 0});
    poll(wait.data(), wait.size(), ending ? ending_every_ms : write_every_ms);
    eventfd_t nudges = 0;
    eventfd_read(wake_.get(), &nudges);
  }
  tell_of_rest();
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
}

// By an output that still takes something, such as the error log's.
void LogWriter::tell_of_rest() {
  std::vector<std::shared_ptr<LogStream>> streams;
  {
    std::lock_guard lock(mutex_);
    streams = streams_;
  }
  for (const auto& stream : streams) stream->note_rest();
  for (const auto& stream : streams) stream->write_out();
}

}  // namespace sallyport::observe
