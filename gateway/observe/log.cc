#include "gateway/observe/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/base/secrets.h"
#include "gateway/base/units.h"
#include "gateway/observe/log_writer.h"

namespace sallyport::observe {
namespace {

constexpr size_t value_bytes_max = 1000;
constexpr size_t ring_bytes = 256 * 1024;

std::atomic<Level> least_level{Level::info};

struct Burst {
  int64_t second = 0;
  uint32_t lines = 0;
  uint64_t left_out = 0;
};

// What the threads of the process share. The mutex is held for a copy, never for a write that may wait, but
// where there is no writer.
struct ErrorLog {
  std::mutex mutex;
  std::map<std::string, Burst, std::less<>> bursts;  // events are fixed names: it stays small
  std::shared_ptr<LogStream> stream;
  LogWriter* writer = nullptr;
  std::atomic<uint64_t> lost{0};

  void put(std::string_view line) {
    std::lock_guard lock(mutex);
    if (writer == nullptr) {
      if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;  // nobody is left to be told
    } else if (stream->ring(0).push(line)) {
      writer->nudge();
    } else {
      stream->ring(0).count_lost();
      lost.fetch_add(1, std::memory_order_relaxed);
    }
  }
};
ErrorLog& error_log() {
  static ErrorLog& the = *new ErrorLog;  // outlives whatever still logs at the end
  return the;
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"\\") != value.npos;
}

// What is shown of a value.
std::string shown(std::string_view value) {
  std::string masked, out;
  const std::string_view open = text::without_secrets(value, masked, value_bytes_max);
  text::escape(open.substr(0, value_bytes_max), [&](std::string_view piece) { out += piece; });
  return out;
}

// True if this line may be written; a new second tells how many of the last one were left out.
bool within_bounds(std::string_view event, uint32_t lines_a_second, std::string& note) {
  ErrorLog& the = error_log();
  const int64_t now = unix_seconds(wall_now());
  std::lock_guard lock(the.mutex);
  auto& bursts = the.bursts;
  auto at = bursts.find(event);
  if (at == bursts.end()) at = bursts.emplace(event, Burst{}).first;
  Burst& burst = at->second;
  if (burst.second != now) {
    if (burst.left_out > 0) note = fmt::format(" left_out={}", burst.left_out);
    burst = {now, 0, 0};
  }
  if (++burst.lines <= lines_a_second) return true;
  ++burst.left_out;
  return false;
}

}  // namespace

void set_log_level(Level least) { least_level.store(least, std::memory_order_relaxed); }

void log(Level level, std::string_view event, std::initializer_list<Field> fields, uint32_t lines_a_second) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  std::string note;
  if (!within_bounds(event, lines_a_second, note)) return;
  constexpr std::string_view names[] = {"info", "warn", "error"};
  std::string line =
      fmt::format("{} {} {}", date_time_ms(wall_now()), names[static_cast<size_t>(level)], event);
  for (const Field& f : fields) {
    const std::string value = shown(f.value);
    line +=
        needs_quotes(f.value) ? fmt::format(" {}=\"{}\"", f.key, value) : fmt::format(" {}={}", f.key, value);
  }
  line += note + "\n";
  error_log().put(line);
}

void say(std::string_view lines) { error_log().put(lines); }

void log_through(LogWriter* writer) {
  ErrorLog& the = error_log();
  std::shared_ptr<LogStream> stream;
  if (writer != nullptr) {
    Result<LogOutput> output = LogOutput::open(LogOutput::To::err, "");
    stream =
        std::make_shared<LogStream>("error_log", output ? std::move(*output) : LogOutput(), 1, ring_bytes);
    writer->add(stream);
  }
  std::lock_guard lock(the.mutex);
  if (the.stream != nullptr) the.stream->close();
  the.stream = std::move(stream);
  the.writer = writer;
}

uint64_t log_lines_lost() noexcept { return error_log().lost.load(std::memory_order_relaxed); }

}  // namespace sallyport::observe
