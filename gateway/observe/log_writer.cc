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
constexpr std::chrono::milliseconds turn_max(1000);
constexpr size_t turns_max = 8;

uint64_t lines_in(const LogRing& ring, size_t bytes) {
  uint64_t lines = 0;
  for (size_t at = 0; at < bytes;) {
    const Slice part = ring.readable(at).substr(0, bytes - at);
    lines += static_cast<uint64_t>(std::ranges::count(part, '\n'));
    at += part.size();
  }
  return lines;
}

}  // namespace

LogStream::LogStream(const std::string& name, LogOutput output, size_t producers, size_t ring_bytes)
    : stuck_event_(name + "_stuck"), recovered_event_(name + "_recovered"), output_(std::move(output)) {
  for (size_t i = 0; i < producers; ++i) rings_.push_back(std::make_unique<LogRing>(ring_bytes));
}

uint64_t LogStream::lost() const noexcept {
  uint64_t sum = left_out_.load(std::memory_order_relaxed);
  for (const auto& ring : rings_) sum += ring->lost();
  return sum;
}

void LogStream::use(LogOutput output) {
  Turn turn{std::move(output), {}, Clock::now() + turn_max};
  for (const auto& ring : rings_) turn.marks.push_back(ring->mark());
  std::lock_guard lock(mutex_);
  if (turns_.size() == turns_max) turns_.pop_back();  // its lines go where those before them go
  turns_.push_back(std::move(turn));
}

void LogStream::note_failure(Slice cause) {
  if (std::exchange(failing_, true)) return;
  log(Level::error, stuck_event_, {{"cause", cause}});
}

void LogStream::note_rest() {
  uint64_t lines = 0;
  for (const auto& ring : rings_) lines += lines_in(*ring, ring->held());
  if (lines > 0) log(Level::error, stuck_event_ + "_at_end", {{"lines_lost", std::to_string(lines)}});
}

void LogStream::note_recovery() {
  const uint64_t now = lost();
  if (!std::exchange(failing_, false) && now == lost_told_) return;
  log(Level::warn, recovered_event_, {{"lines_lost", std::to_string(now - std::exchange(lost_told_, now))}});
}

LogStream::Left LogStream::note_left(ssize_t written) {
  if (written < 0) {
    note_failure(std::strerror(errno));
    return Left::failing;
  }
  if (lost() != lost_told_) note_failure("nobody takes what is written, and lines are lost");
  return Left::stuck;
}

// The first so many bytes: what comes meanwhile is for the next time. A write that stops inside a line goes
// on there the next time, so one request stays one line.
LogStream::Left LogStream::write_ring(LogRing& ring, size_t held) {
  while (begun_ < held) {
    const Slice bytes = ring.readable(begun_).substr(0, held - begun_);
    const ssize_t written = output_.write(bytes);
    if (written <= 0) return note_left(written);
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

LogStream::Left LogStream::end_line() {
  LogRing& ring = *rings_[turn_];
  while (begun_ > 0) {
    const Slice rest = ring.readable(begun_);
    const size_t end = rest.find('\n');
    const Slice line = end == Slice::npos ? rest : rest.substr(0, end + 1);
    const ssize_t written = output_.write(line);
    if (written <= 0) return note_left(written);
    let_go(ring, line.substr(0, static_cast<size_t>(written)));
  }
  return Left::nothing;
}

LogStream::Left LogStream::write_before(const Turn& turn) {
  Left left = end_line();
  for (size_t i = 0; i < rings_.size() && left == Left::nothing; ++i) {
    left = write_ring(*rings_[turn_], rings_[turn_]->held_before(turn.marks[turn_]));
    if (left == Left::nothing) turn_ = (turn_ + 1) % rings_.size();
  }
  return left;
}

// Not `nothing`: the turn is still to be made. What the old output does not take, also the line that it has
// begun, the next has all of.
LogStream::Left LogStream::turn_to(Turn& turn) {
  const Left left = write_before(turn);
  if (left == Left::stuck && Clock::now() < turn.give_up) return left;
  uint64_t lines = 0;
  for (size_t i = 0; i < rings_.size(); ++i)
    lines += lines_in(*rings_[i], rings_[i]->held_before(turn.marks[i]));
  if (turn.to.is_off()) left_out_.fetch_add(lines, std::memory_order_relaxed);
  output_ = std::move(turn.to);
  begun_ = 0;
  return Left::nothing;
}

bool LogStream::take_turn() {
  std::lock_guard lock(mutex_);
  if (!turning_ && !turns_.empty()) {
    turning_ = std::move(turns_.front());
    turns_.pop_front();
  }
  return turning_.has_value();
}

LogStream::Left LogStream::write_out() {
  while (take_turn()) {
    if (const Left left = turn_to(*turning_); left != Left::nothing) return left;
    turning_.reset();
  }
  for (size_t i = 0; i < rings_.size(); ++i) {
    const Left left = write_ring(*rings_[turn_], rings_[turn_]->held());
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
