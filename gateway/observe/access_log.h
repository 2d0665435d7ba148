// The access log: one JSON object a line for each request, and a thread of its own that writes them.
//
// A worker formats a line straight into its ring (no lock, no allocation); the writer thread gathers the
// rings at least every 200 ms, or when one is half full, and writes them in one go. A full disk or a stuck
// pipe never stops a worker: lines that find no room are counted and dropped, and the loss is told in the log
// once it can be written again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/bytes.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"

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
  struct Options {
    enum class To : uint8_t { off, out, err, file } to = To::out;
    std::string path;
    size_t workers = 1;
    size_t ring_bytes = 1 << 20;  // of each worker
  };
  // Opens the file (append, mode 0640) and starts the thread. Errors: io with the cause.
  static Result<std::unique_ptr<AccessLog>> open(Options options);
  ~AccessLog();  // writes what is left (waits at most 2 s for a stuck output)

  // From the thread of that worker only.
  void write(size_t worker, const AccessRecord& record) noexcept;
  bool enabled() const noexcept;
  uint64_t lost() const noexcept;  // lines dropped so far; any thread
  // Opens the file again (after a rotation, SIGHUP). Any thread.
  void reopen();
  // Waits until what was written before is out. Any thread but a worker's.
  void flush();

  struct Impl;
  explicit AccessLog(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// Appends the record as one line with its newline to out[0..room); gives the length, or 0 if it does not fit.
// Long values are cut (host 255, path 2048, user_agent 256 …), control characters escaped, invalid UTF-8
// replaced.
size_t format_access_line(const AccessRecord& record, char* out, size_t room) noexcept;

}  // namespace sallyport::observe
