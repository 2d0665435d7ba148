#include "gateway/http/linger.h"

namespace sallyport::http {

Task<> linger(net::Stream& stream) {
  if (stream.broken()) co_return;
  const Monotonic deadline = stream.loop().now() + linger_time;
  stream.close_output();
  Buffer& input = stream.input();
  uint64_t dropped = 0;
  while (dropped < linger_bytes_max) {
    dropped += input.size();
    input.consume(input.size());
    Result<bool> more = co_await stream.more(deadline);
    if (!more || !*more) co_return;
  }
}

}  // namespace sallyport::http
