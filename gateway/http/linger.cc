#include "gateway/http/linger.h"

#include <algorithm>

namespace sallyport::http {

Task<> linger(net::Stream& stream, Patience patience) {
  if (stream.broken()) co_return;
  const Monotonic last = stream.loop().now() + patience.whole;
  stream.close_output();
  Buffer& input = stream.input();
  uint64_t dropped = 0;
  while (dropped < patience.bytes) {
    dropped += input.size();
    input.consume(input.size());
    Result<bool> more = co_await stream.more(std::min(last, stream.loop().now() + patience.silence));
    if (!more || !*more) co_return;
  }
}

}  // namespace sallyport::http
