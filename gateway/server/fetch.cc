#include "gateway/server/fetch.h"

#include <fmt/format.h>

#include <utility>

#include "gateway/async/signal.h"
#include "gateway/base/arena.h"
#include "gateway/http/h1_client.h"
#include "gateway/http/uri.h"
#include "gateway/net/connect.h"
#include "gateway/net/tls_context.h"
#include "gateway/upstream/target.h"

namespace sallyport::server {
namespace {

struct Url {
  upstream::Target target;
  std::string path;  // with the query
};

Result<Url> split(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t slash = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
  Result<upstream::Target> target = upstream::parse_target(url.substr(0, slash));
  if (!target) return std::unexpected(std::move(target.error()));
  return Url{std::move(*target), slash == std::string::npos ? "/" : url.substr(slash)};
}

Result<net::TlsOptions> tls_for(const Url& url, const Background::Fetch& what) {
  net::TlsOptions options;
  if (!url.target.tls) return options;
  auto context = net::TlsClientContext::make({.ca_file = what.ca_file});
  if (!context) return std::unexpected(std::move(context.error()));
  options.context = std::move(*context);
  options.server_name = url.target.host;
  return options;
}

Task<Result<std::unique_ptr<net::Stream>>> open(Loop& loop, net::Resolver& resolver, const Url& url,
                                                const Background::Fetch& what, Monotonic deadline) {
  Result<net::TlsOptions> tls = tls_for(url, what);
  if (!tls) co_return std::unexpected(std::move(tls.error()));
  auto found = co_await resolver.resolve(url.target.host, url.target.port, deadline);
  if (!found) co_return std::unexpected(std::move(found.error()));
  Result<std::unique_ptr<net::Stream>> stream = fail(Code::io, "not_connected");
  for (size_t left = found->addresses.size(); left > 0 && !stream; --left) {
    const net::SocketAddress& address = found->addresses[found->addresses.size() - left];
    stream = co_await net::connect(loop, address, *tls, net::share_of(loop.now(), deadline, left));
  }
  co_return stream;
}

Task<Result<std::string>> fetch_whole(Loop& loop, net::Resolver& resolver, const Background::Fetch& what,
                                      Monotonic deadline) {
  Result<Url> url = split(what.url);
  if (!url) co_return std::unexpected(std::move(url.error()));
  auto stream = co_await open(loop, resolver, *url, what, deadline);
  if (!stream) co_return std::unexpected(std::move(stream.error()));

  Arena arena(loop.blocks());
  http::h1::ClientConnection connection(std::move(*stream));
  http::EmptyBody nothing;
  http::Request request;
  request.method = http::Method::get;
  request.method_text = "GET";
  auto target = http::parse_target(url->path, arena);
  if (!target) co_return std::unexpected(std::move(target.error()));
  request.path = target->path;
  request.query = target->query;
  request.body = &nothing;
  request.headers.add(http::HeaderId::accept, "application/json");
  request.headers.add(http::HeaderId::user_agent, "sallyport");
  request.headers.add(http::HeaderId::connection, "close");
  const http::h1::ClientConnection::Timeouts timeouts = {what.timeout, what.timeout};
  Result<void> done = co_await connection.send(request, url->target.authority, timeouts, arena);
  http::Response response;
  while (done && response.status < 200) done = co_await connection.read_response(request, arena, response);
  if (!done) co_return std::unexpected(std::move(done.error()));
  if (response.status != 200) {
    co_return fail(Code::upstream_bad_answer, "unexpected_status",
                   fmt::format("the answer was {}", response.status));
  }
  std::string document;
  for (;;) {
    Result<Slice> piece = co_await response.body->pull();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (piece->empty()) co_return document;
    if (document.size() + piece->size() > what.bytes_max)
      co_return fail(Code::upstream_bad_answer, "document_too_large", "the document is too large");
    document.append(*piece);
  }
}

Task<> until(Loop& loop, Monotonic deadline) {
  WaitUntil time(loop, deadline);
  co_await time;
}

}  // namespace

Task<Result<std::string>> fetch_document(Loop& loop, net::Resolver& resolver, const Background::Fetch& what) {
  const Monotonic deadline = loop.now() + what.timeout;
  Task<Result<std::string>> document = fetch_whole(loop, resolver, what, deadline);
  Task<> time = until(loop, deadline + milliseconds(100));  // whoever waits for something tells for what
  co_await FirstOf(document, time);                         // however slowly the pieces come
  if (document.done()) co_return document.take();
  co_return fail(Code::upstream_timeout, "upstream_timeout", "the document did not come in its time");
}

}  // namespace sallyport::server
