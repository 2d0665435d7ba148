#include "gateway/config/ranges.h"

#include <fmt/format.h>

namespace sallyport::config {

void check_wait(Reader& reader, std::string_view key, Duration value) {
  if (value <= Duration::zero()) reader.error_at(key, fmt::format("{} must be longer than 0", key));
  if (value > longest_wait) reader.error_at(key, fmt::format("{} can be 24h at most", key));
}

void check_between(Reader& reader, std::string_view key, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return;
  reader.error_at(key, fmt::format("{} must be from {} to {}", key, least, most));
}

void check_between(Reader& reader, std::string_view key, Bytes value, Bytes least, Bytes most) {
  if (value.count >= least.count && value.count <= most.count) return;
  reader.error_at(key, fmt::format("{} must be from {} to {}", key, to_string(least), to_string(most)));
}

void check_between(Reader& reader, std::string_view key, Duration value, Duration least, Duration most) {
  if (value >= least && value <= most) return;
  reader.error_at(key, fmt::format("{} must be from {} to {}", key, sallyport::to_string(least),
                                   sallyport::to_string(most)));
}

}  // namespace sallyport::config
