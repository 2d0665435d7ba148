// The error log: what operators must know, on stderr, one line each: "2026-01-02T03:04:05.678Z warn
// config.reload … key=value".
//
// Any thread; nobody waits for stderr once the lines go through a LogWriter. For rare events only, never once
// a request; a burst of the same event is thinned (at most 20 a second, then a count of what was left out).
// Values are escaped (base/escape.h); secrets are never given to it, and what reads like one that a client
// has written is not shown (base/secrets.h).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace sallyport::observe {

class LogWriter;

enum class Level : uint8_t { info, warn, error };

struct Field {
  std::string_view key;
  std::string_view value;
};

// event: a short fixed name ("listening", "config_reload_failed"); the fields follow as key=value, quoted if
// needed. lines_a_second: of an event that comes in floods, fewer than of others.
constexpr uint32_t lines_a_second_max = 20;
void log(Level level, std::string_view event, std::initializer_list<Field> fields = {},
         uint32_t lines_a_second = lines_a_second_max);
void set_log_level(Level least);

// Lines as they are, for what ends a start: problems of a config, a port that is taken.
void say(std::string_view lines);

// Until it is told null, whoever logs leaves the writing to that thread; without one (the commands), they
// write themselves. Main thread.
void log_through(LogWriter* writer);
uint64_t log_lines_lost() noexcept;

}  // namespace sallyport::observe
