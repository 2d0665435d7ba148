// Any bytes as a request head and chunked content: never a crash; what is accepted is written out in a form
// that is accepted and understood the same again.
#include <cstdlib>
#include <string>

#include "gateway/http/connection_options.h"
#include "gateway/http/h1_message.h"

using namespace sallyport;

namespace {

void check_same(const http::Request& a, const http::Request& b) {
  const bool same = a.method_text == b.method_text && a.path == b.path && a.query == b.query &&
                    a.length.kind == b.length.kind && a.length.bytes == b.length.bytes;
  if (!same) std::abort();
}

void check_trailer(Slice line) {
  const size_t colon = line.find(':');
  if (colon == Slice::npos || !http::is_token(line.substr(0, colon)) ||
      !http::is_field_value(line.substr(colon + 1)))
    std::abort();
}

void read_chunks(Slice bytes) {
  http::ChunkedReader reader;
  reader.tell_trailers();
  while (!bytes.empty()) {
    auto step = reader.read(bytes);
    if (!step || step->finished || step->consumed == 0) return;
    bytes.remove_prefix(step->consumed);
    if (!step->trailer.empty()) check_trailer(step->trailer);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static BlockPool pool;
  const Slice bytes(reinterpret_cast<const char*>(data), size);
  const http::HeadLimits limits;
  size_t scanned = 0;
  const auto end = http::find_head_end(bytes, scanned, limits);
  if (!end || *end == 0) return 0;
  Arena arena(pool);
  http::Request request;
  if (!http::h1::read_request_head(arena.copy(bytes.substr(0, *end)), limits, arena, request)) return 0;
  read_chunks(bytes.substr(*end));
  http::remove_hop_by_hop(request.headers);
  Buffer out(pool);
  http::h1::write_request_head(request, "backend", out);
  const http::HeadLimits wider = {limits.header_bytes * 4, limits.uri_bytes * 4, limits.headers + 4};
  http::Request again;
  if (!http::h1::read_request_head(arena.copy(out.readable()), wider, arena, again)) std::abort();
  check_same(request, again);
  return 0;
}
