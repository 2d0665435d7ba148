// The access log: one JSON object a line for each request. A worker formats a line straight into its ring (no
// lock, no allocation); the LogWriter writes it within 200 ms, or when a ring is half full. Lines that find
// no room are counted and dropped, and the loss is told in the error log once lines can be written again.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/bytes.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/observe/log_writer.h"

namespace sallyport::observe {

// One request. Slices are borrowed for the call. Empty strings are left out of the line.
struct AccessRecord {
  Wall time;  // when the request began
  Slice request_id, client_ip, listener, tls, http, method, host, path, route;
  int status = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t duration_us = 0;
  Slice upstream;
  uint64_t upstream_us = 0;
  Slice client, credential, refused_by, reason, would_refuse, user_agent;
};

class AccessLog {
 public:
  using To = LogOutput::To;
  struct Options {
    To to = To::out;
    std::string path;
    size_t workers = 1;
    size_t ring_bytes = 1 << 20;  // of each worker
  };
  // Errors: io with the cause.
  static Result<std::unique_ptr<AccessLog>> open(LogWriter& writer, Options options);
  ~AccessLog();

  // From the thread of that worker only.
  void write(size_t worker, const AccessRecord& record) noexcept;
  bool enabled() const noexcept { return enabled_.load(std::memory_order_relaxed); }
  uint64_t lost() const noexcept { return stream_->lost(); }  // lines dropped so far; any thread
  // Goes on elsewhere, from or to `off` as well. Errors as of open(); then all stays as it was. Main thread.
  Result<void> redirect(To to, std::string path);
  // Opens the file again (after a rotation). Main thread.
  void reopen();

  AccessLog(LogWriter& writer, Options options, std::shared_ptr<LogStream> stream);

 private:
  LogWriter& writer_;
  To to_;
  std::string path_;
  std::shared_ptr<LogStream> stream_;
  std::atomic<bool> enabled_;
};

// Appends the record as one line with its newline to out[0..room); gives the length, or 0 if it does not fit.
// What reads like a key or a token in what the client has written is shown without its secret
// (base/secrets.h), long values are cut (host 255, path 2048, user_agent 256 …) and escaped (base/escape.h).
size_t format_access_line(const AccessRecord& record, char* out, size_t room) noexcept;

}  // namespace sallyport::observe
