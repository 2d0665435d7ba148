// Any bytes as a request target: what is accepted is canonical: read again it is the same.
#include <cstdlib>
#include <string>

#include "gateway/http/uri.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static BlockPool pool;
  Arena arena(pool);
  const Slice text(reinterpret_cast<const char*>(data), size);
  (void)http::parse_authority(text, arena);
  const auto target = http::parse_target(text, arena);
  if (!target || target->path == "*") return 0;
  const std::string again =
      std::string(target->path) + (target->query.empty() ? "" : "?" + std::string(target->query));
  const auto second = http::parse_target(again, arena);
  if (!second || second->path != target->path || second->query != target->query) std::abort();
  if (target->path.find("/../") != Slice::npos || target->path.find('\\') != Slice::npos) std::abort();
  (void)http::parse_query(target->query, arena);
  return 0;
}
