#include "gateway/net/connect.h"

#include <algorithm>
#include <utility>

#include "gateway/net/socket.h"
#include "gateway/net/tcp.h"
#include "gateway/net/tls_stream.h"

namespace sallyport::net {

Monotonic share_of(Monotonic now, Monotonic deadline, size_t left) noexcept {
  constexpr size_t shares_most = 3;
  return now + (deadline - now) / static_cast<int64_t>(std::clamp<size_t>(left, 1, shares_most));
}

Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, SocketAddress to, TlsOptions tls,
                                              Monotonic deadline) {
  auto socket = std::make_unique<Socket>(loop, to.unix_path ? Socket::Kind::unix_path : Socket::Kind::tcp);
  Result<void> connected = co_await socket->connect(std::move(to), deadline);
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  if (tls.context == nullptr) co_return std::make_unique<TcpStream>(loop, std::move(socket));
  std::unique_ptr<TlsStream> stream =
      TlsStream::client(loop, std::move(socket), *tls.context, tls.server_name, tls.http2);
  Result<void> shaken = co_await stream->handshake(deadline);
  if (!shaken) co_return std::unexpected(std::move(shaken.error()));
  if (tls.http2 && stream->protocol() != "h2")
    co_return fail(Code::tls_failed, "no_http2", "the other side did not choose HTTP/2 (ALPN h2)");
  co_return stream;
}

}  // namespace sallyport::net
