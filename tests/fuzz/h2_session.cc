// Any frames from an HTTP/2 client: never a crash, and what we answer is whole frames of at most the size
// that the client allows. The first byte says how the bytes are cut, and how slowly the client reads.
#include <cstdlib>
#include <string>

#include "tests/unit/http/h2_calls.h"

using namespace sallyport;
using sallyport::test::MemoryStream;

namespace {

// Answers each request with its own content, or with so much that the windows close.
class Echo final : public sallyport::test::H2Calls {
 public:
  using H2Calls::H2Calls;

 private:
  Task<> answer(Call& call, bool good) override {
    call.response.status = good ? 200 : 400;
    if (!good) co_return;
    if (!call.request.path.starts_with('/') && call.request.path != "*") std::abort();
    call.response.body = &call.stream;
    call.response.length = {http::BodyLength::Kind::chunked, 0};
    if (call.request.method == http::Method::get) {
      call.content.reset(much_);
      call.response.body = &call.content;
      call.response.length = {http::BodyLength::Kind::counted, much_.size()};
    }
  }
  const std::string much_ = std::string(200'000, 'x');
};

// Whole frames, one behind the other.
void check_frames(Slice bytes) {
  while (!bytes.empty()) {
    if (bytes.size() < 9) std::abort();
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(bytes[i])); };
    const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (length > (1U << 24) - 1 || bytes.size() < 9 + length) std::abort();
    bytes.remove_prefix(9 + length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Loop loop;
  const http::ServerLimits limits;
  std::string bytes = (data[0] & 1) != 0 ? "" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = (data[0] >> 2) == 0 ? bytes.size() : data[0] >> 2;
  MemoryStream stream(loop);
  Echo echo(loop, stream, limits);
  const Task<> task = echo.session().run();
  echo.turn();
  std::string written;
  for (size_t at = 0; at < bytes.size() && !task.done(); at += piece) {
    if ((data[0] & 2) != 0) stream.hold_output(at / piece % 2 == 0);
    stream.feed(Slice(bytes).substr(at, piece));
    echo.turn();
    written += stream.take_written();
  }
  stream.hold_output(false);
  if (!task.done()) stream.end();
  echo.turn();
  check_frames(written + stream.take_written());
  return 0;
}
