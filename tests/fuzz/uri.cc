// Any bytes as a request target: what is accepted is canonical: read again it is the same; and where it has
// neither an empty segment nor parameters, every way in which backends read paths comes to the same, too.
#include <cstdlib>
#include <string>
#include <vector>

#include "gateway/http/uri.h"

using namespace sallyport;

namespace {

std::string decoded(Slice path, Arena& arena) { return std::string(http::percent_decode(path, arena)); }

// A backend that takes backslashes for slashes, cuts parameters, merges slashes and resolves dot segments, of
// a path whose escapes it has decoded or not.
std::string as_read(const std::string& path, bool cuts) {
  std::vector<std::string> kept;
  std::string segment;
  bool cut = false, open_end = false;
  for (const char c : path + "/") {
    if (c != '/' && c != '\\') {
      cut = cut || (cuts && c == ';');
      if (!cut) segment += c;
      continue;
    }
    open_end = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!segment.empty() && segment != ".") {
      kept.push_back(segment);
    }
    segment.clear();
    cut = false;
  }
  std::string out;
  for (const std::string& s : kept) out += "/" + s;
  return open_end || out.empty() ? out + "/" : out;
}

void check_readings(Slice path, Arena& arena) {
  const Slice merged = http::merge_slashes(path, arena), cut = http::cut_parameters(path, arena);
  if (http::has_empty_segment(merged) || http::has_empty_segment(cut) || http::has_parameters(cut))
    std::abort();
  if (http::merge_slashes(merged, arena) != merged || http::cut_parameters(cut, arena) != cut) std::abort();
  if (as_read(std::string(path), false) != merged || as_read(std::string(path), true) != cut) std::abort();
  const Slice delimiters = http::plain_delimiters(path, arena);
  if (decoded(delimiters, arena) != decoded(path, arena)) std::abort();
  if (http::plain_delimiters(delimiters, arena) != delimiters) std::abort();
  const std::string plain = decoded(merged, arena);
  if (as_read(plain, false) != plain) std::abort();
}

}  // namespace

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
  check_readings(target->path, arena);
  if (target->path.find("/../") != Slice::npos || target->path.find('\\') != Slice::npos) std::abort();
  (void)http::parse_query(target->query, arena);
  return 0;
}
