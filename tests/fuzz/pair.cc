// Any bytes from a client, through the codec of our listeners and that of our upstreams, read again as a
// backend would: both must see the same requests, however the bytes were cut. The first byte says how.
#include <cstdlib>
#include <string>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/http/connection_options.h"
#include "gateway/http/h1_client.h"
#include "gateway/http/h1_message.h"
#include "gateway/http/h1_server.h"
#include "tests/unit/http/memory_stream.h"

using namespace sallyport;
using sallyport::test::MemoryStream;

namespace {

struct Message {
  std::string line, fields, content;
  bool operator==(const Message&) const = default;
};

// Copies what is pulled.
class Watched final : public http::Body {
 public:
  Watched(http::Body& inner, std::string& seen) : inner_(inner), seen_(seen) {}
  Task<Result<Slice>> pull() override {
    Result<Slice> piece = co_await inner_.pull();
    if (piece) seen_ += *piece;
    co_return piece;
  }
  std::optional<uint64_t> remaining() const noexcept override { return inner_.remaining(); }

 private:
  http::Body& inner_;
  std::string& seen_;
};

Message message_of(const http::Request& request) {
  Message m;
  m.line =
      std::string(request.method_text) + ' ' + std::string(request.path) + '?' + std::string(request.query);
  for (const http::Header& h : request.headers) {
    const bool framing = h.id == http::HeaderId::host || h.id == http::HeaderId::transfer_encoding ||
                         h.id == http::HeaderId::content_length;
    if (!framing) m.fields += std::string(h.name) + ':' + std::string(h.value) + '\n';
  }
  return m;
}

// What went to backends: the bytes of each connection. One that said "Connection: close" is the last on its
// own.
using Forwarded = std::vector<std::string>;

// Reads requests until the end; each whole one is seen, and forwarded if there is somebody to forward to.
Task<> read_all(Loop& loop, MemoryStream& stream, const http::ServerLimits& limits,
                std::vector<Message>& seen, Forwarded* forwarded) {
  http::h1::ServerConnection connection(stream, limits);
  bool go_on = true;
  while (go_on) {
    go_on = co_await connection.wait_for_request();
    if (!go_on) co_return;
    Arena arena(loop.blocks());
    http::Request request;
    Result<void> read = co_await connection.read_request(arena, request);
    if (!read) co_return;
    http::remove_hop_by_hop(request.headers);
    request.headers.remove(http::HeaderId::expect);
    request.upgrade = {};
    Message message = message_of(request);
    Watched body(*request.body, message.content);
    request.body = &body;
    Result<void> done;
    if (forwarded != nullptr) {
      auto owned = std::make_unique<MemoryStream>(loop);
      MemoryStream& backend = *owned;
      http::h1::ClientConnection client(std::move(owned));
      const http::h1::ClientConnection::Timeouts timeouts = {seconds(5), seconds(5)};
      done = co_await client.send(request, "backend", timeouts, arena);
      client.over();
      forwarded->back() += backend.take_written();
      if (http::h1::is_last_on_connection(request)) forwarded->emplace_back();
    } else {
      for (bool end = false; done && !end;) {
        Result<Slice> piece = co_await body.pull();
        if (!piece) done = std::unexpected(std::move(piece.error()));
        end = piece && piece->empty();
      }
    }
    if (!done) co_return;
    seen.push_back(std::move(message));
    http::Response response;
    response.status = 204;
    Result<void> sent = co_await connection.respond(request, response);
    if (!sent) co_return;
    go_on = co_await connection.finish();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Loop loop;
  const http::ServerLimits limits;
  http::ServerLimits wider = limits;  // what was near a limit is a little longer once rewritten
  wider.head = {limits.head.header_bytes * 4, limits.head.uri_bytes * 4, limits.head.headers + 8};
  const Slice bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = data[0] == 0 ? bytes.size() : data[0];
  std::vector<Message> in_front, behind;
  Forwarded forwarded(1);
  {
    MemoryStream client(loop);
    const Task<> front = read_all(loop, client, limits, in_front, &forwarded);
    for (size_t at = 0; at < bytes.size() && !front.done(); at += piece) client.feed(bytes.substr(at, piece));
    if (!front.done()) client.end();
    if (!front.done()) std::abort();
  }
  for (const std::string& connection : forwarded) {
    MemoryStream stream(loop);
    const Task<> backend = read_all(loop, stream, wider, behind, nullptr);
    stream.feed(connection);
    if (!backend.done()) stream.end();
    if (!backend.done()) std::abort();
  }
  if (in_front != behind) std::abort();
  return 0;
}
