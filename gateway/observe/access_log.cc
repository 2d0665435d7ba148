#include "gateway/observe/access_log.h"

#include <array>
#include <utility>

#include "gateway/observe/log.h"

namespace sallyport::observe {
namespace {

constexpr size_t line_max = 16 * 1024;  // every field at its longest, all escaped

}  // namespace

AccessLog::AccessLog(LogWriter& writer, Options options, std::shared_ptr<LogStream> stream)
    : writer_(writer),
      to_(options.to),
      path_(std::move(options.path)),
      stream_(std::move(stream)),
      enabled_(options.to != To::off) {}

AccessLog::~AccessLog() { stream_->close(); }

Result<std::unique_ptr<AccessLog>> AccessLog::open(LogWriter& writer, Options options) {
  Result<LogOutput> output = LogOutput::open(options.to, options.path);
  if (!output) return std::unexpected(std::move(output.error()));
  auto stream =
      std::make_shared<LogStream>("access_log", std::move(*output), options.workers, options.ring_bytes);
  writer.add(stream);
  return std::make_unique<AccessLog>(writer, std::move(options), std::move(stream));
}

void AccessLog::write(size_t worker, const AccessRecord& record) noexcept {
  LogRing& ring = stream_->ring(worker);
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
  if (!kept) ring.count_lost();
  if (ring.half_full()) writer_.nudge();
}

Result<void> AccessLog::redirect(To to, std::string path) {
  Result<LogOutput> output = LogOutput::open(to, path);
  if (!output) return std::unexpected(std::move(output.error()));
  to_ = to;
  path_ = std::move(path);
  stream_->use(std::move(*output));
  enabled_.store(to != To::off, std::memory_order_relaxed);
  return {};
}

void AccessLog::reopen() {
  if (to_ != To::file) return;
  if (const Result<void> opened = redirect(to_, path_); !opened)
    log(Level::error, "access_log_reopen_failed", {{"cause", opened.error().detail}});
}

}  // namespace sallyport::observe
