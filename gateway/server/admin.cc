#include "gateway/server/admin.h"

#include <utility>

#include "gateway/http/h1_server.h"
#include "gateway/http/linger.h"
#include "gateway/net/tcp.h"

namespace sallyport::server {
namespace {

struct Page {
  int status = 200;
  Slice type = "text/plain; charset=utf-8";
  std::string content;
};

// 200 if nothing stands against it.
Page state_page(const std::string& state, const std::vector<std::string>& reasons) {
  if (reasons.empty()) return {200, "text/plain; charset=utf-8", state + "\n"};
  Page page{503, "text/plain; charset=utf-8", "not " + state + ":\n"};
  for (const std::string& reason : reasons) page.content += "  " + reason + "\n";
  return page;
}

Page page_for(const http::Request& request, AdminSource& source) {
  if (request.method != http::Method::get && request.method != http::Method::head) {
    return {405, "text/plain; charset=utf-8", "only GET and HEAD\n"};
  }
  if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", source.metrics()};
  if (request.path == "/healthz") return state_page("alive", source.not_alive_reasons());
  if (request.path == "/readyz") return state_page("ready", source.not_ready_reasons());
  if (request.path == "/config") return {200, "application/yaml", source.config_text()};
  if (request.path == "/routes") return {200, "application/json", source.routes_text()};
  return {404, "text/plain; charset=utf-8", "there are /metrics /healthz /readyz /config /routes\n"};
}

const http::ServerLimits limits = {};

}  // namespace

Admin::Admin(Loop& loop, Fd socket, AdminSource& source)
    : loop_(loop), source_(source), listener_(loop, std::move(socket)) {
  listener_.on_accept([this](net::AcceptedSocket accepted) {
    // Whoever came first has had its time: a probe finds a place beside many that stand still.
    if (connections_.size() >= connections_max) connections_.cancel_oldest();
    connections_.start(serve_connection(std::move(accepted)));
  });
}
Admin::~Admin() = default;

Task<> Admin::serve_connection(net::AcceptedSocket socket) {
  std::unique_ptr<net::Stream> stream = net::TcpStream::accepted(loop_, std::move(socket));
  http::h1::ServerConnection http(*stream, limits);
  Arena arena(loop_.blocks());
  http::Request request;
  http::Response response;
  http::MemoryBody body;
  bool go_on = true;
  while (go_on) {
    const bool asked = co_await http.wait_for_request();
    if (!asked) break;
    request.clear();
    response.clear();
    Result<void> read = co_await http.read_request(arena, request);
    if (!read && read.error().code == Code::client_gone) co_return;
    Page page = read ? page_for(request, source_)
                     : Page{400, "text/plain; charset=utf-8", read.error().detail + "\n"};
    if (!read) http.close_after_this();
    response.status = page.status;
    response.headers.add(http::HeaderId::content_type, page.type);
    if (page.status == 405) response.headers.add(http::HeaderId::allow, "GET, HEAD");
    response.length = {http::BodyLength::Kind::counted, page.content.size()};
    body.reset(page.content);
    response.body = &body;
    Result<void> sent = co_await http.respond(request, response);
    if (!sent) co_return;
    go_on = co_await http.finish();
    arena.clear();
  }
  co_await http::linger(*stream, http::at_the_end);
}

}  // namespace sallyport::server
