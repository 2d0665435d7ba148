// LogWriter: the one thread that writes logs. Whoever logs puts a line into a bounded ring of a LogStream and
// goes on; a line that finds no room is counted and dropped. An output that takes nothing (a full disk, a
// pipe that nobody reads) holds up neither the process, nor its end, nor the other logs.
//
// Owned by the server; made and ended on the main thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gateway/base/fd.h"
#include "gateway/observe/log_output.h"
#include "gateway/observe/log_ring.h"

namespace sallyport::observe {

// One log: a ring for each of its producers, and where their lines go.
class LogStream {
 public:
  // name: how the error log calls it: "access_log".
  LogStream(const std::string& name, LogOutput output, size_t producers, size_t ring_bytes);

  LogRing& ring(size_t producer) noexcept { return *rings_[producer]; }  // for that producer's thread
  // --- any thread
  uint64_t lost() const noexcept;
  // From the next line on. What was logged before goes to the output before, as far as that takes it within a
  // second; what it leaves goes to this one, and is lost if this one is off.
  void use(LogOutput output);
  void close() noexcept { closed_.store(true, std::memory_order_release); }  // no line will follow

 private:
  friend class LogWriter;
  enum class Left : uint8_t { nothing, stuck, failing };
  struct Turn {
    LogOutput to;
    std::vector<uint64_t> marks;  // of each ring: where its lines are those of the next output
    std::chrono::steady_clock::time_point give_up;
  };

  // --- the writer's thread
  Left write_out();
  Left write_ring(LogRing& ring, size_t held);
  Left end_line();
  Left write_before(const Turn& turn);
  bool take_turn();
  Left turn_to(Turn& turn);
  size_t let_go(LogRing& ring, Slice written);
  Left note_left(ssize_t written);
  void note_failure(Slice cause);
  void note_rest();
  void note_recovery();

  const std::string stuck_event_, recovered_event_;
  std::vector<std::unique_ptr<LogRing>> rings_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::deque<Turn> turns_;  // that are still to come
  std::atomic<uint64_t> left_out_{0};

  LogOutput output_;
  std::optional<Turn> turning_;
  size_t turn_ = 0;   // the ring that is written next
  size_t begun_ = 0;  // bytes of its first line that the output has
  bool failing_ = false;
  uint64_t lost_told_ = 0;
};

class LogWriter {
 public:
  LogWriter();
  LogWriter(const LogWriter&) = delete;
  ~LogWriter();

  // --- any thread
  void add(std::shared_ptr<LogStream> stream);
  // Lines wait: they are written at once, not within the next 200 ms.
  void nudge() noexcept;
  // Waits until what was logged before is written, or is refused by its output.
  void flush();

  // Writes what is left, for a second at most, and ends the thread. False if it cannot be ended, as the
  // system holds it in a write: the process must then end without destroying the LogWriter.
  bool end();

 private:
  void run();
  void tell_of_rest();
  void wake() noexcept;
  bool write_all(std::vector<int>& stuck);

  const Fd wake_;  // an eventfd
  std::atomic<bool> nudged_{false};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<LogStream>> streams_;
  uint64_t flush_asked_ = 0;
  uint64_t flush_done_ = 0;
  bool ended_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace sallyport::observe
