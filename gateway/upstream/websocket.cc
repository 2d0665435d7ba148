#include "gateway/upstream/websocket.h"

#include <array>
#include <string>

#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"

namespace sallyport::upstream {
namespace {

constexpr Slice key_name = "Sec-WebSocket-Key", accept_name = "Sec-WebSocket-Accept";
constexpr Slice guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3

}  // namespace

void add_websocket_key(http::Request& request, Arena& arena) {
  std::array<char, 16> nonce;
  crypto::random_bytes(nonce.data(), nonce.size());
  request.headers.set(key_name, arena.copy(text::base64({nonce.data(), nonce.size()})));
}

bool take_websocket_accept(const http::Request& request, http::Response& response) {
  const std::string asked = std::string(request.headers.get(key_name)) + std::string(guid);
  const auto digest = crypto::sha1(asked);
  const std::string expected = text::base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
  const bool good = response.headers.get(accept_name) == expected;
  response.headers.remove(accept_name);
  return good;
}

}  // namespace sallyport::upstream
