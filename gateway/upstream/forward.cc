#include "gateway/upstream/forward.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/core/request_id.h"
#include "gateway/core/setup.h"
#include "gateway/http/connection_options.h"
#include "gateway/http/grpc.h"
#include "gateway/upstream/checkout.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/clusters.h"
#include "gateway/upstream/forward_options.h"
#include "gateway/upstream/rewrite_back.h"
#include "gateway/upstream/websocket.h"

namespace sallyport::upstream {
namespace {

using http::HeaderId;

class Forward final : public Plugin {
 public:
  Forward(std::shared_ptr<Cluster> cluster, std::shared_ptr<const http::HeaderGuard> guard,
          const ForwardOptions& options, std::optional<RewriteBack> back, bool abort_on_fin)
      : cluster_(std::move(cluster)),
        guard_(std::move(guard)),
        keep_credentials_(options.credentials == Credentials::keep),
        websocket_(!options.upgrade.empty()),
        abort_on_fin_(options.half_closed.value_or(abort_on_fin ? HalfClosed::abort : HalfClosed::serve) ==
                      HalfClosed::abort),
        idle_timeout_(options.idle_timeout),
        path_(options.path),
        back_(std::move(back)) {
    timeouts_.response = options.timeout.value_or(cluster_->options().response_timeout);
    timeouts_.body = cluster_->options().body_timeout;
    timeouts_.events = options.idle_timeout;
    call_timeout_ = options.timeout;
  }

  Task<> handle(Exchange& x, Next) override;
  void finished(const Exchange& x) noexcept override {
    if (!x.sent() && side_of(x.sent().error().code) == Side::upstream)
      cluster_->answer_broken(x.sent().error());
  }

 private:
  // What may be done after a connection that turned out to be closed: nothing; if its content can be had
  // again; all.
  enum class Again : uint8_t { no, rewound, untouched };
  struct Attempt {  // at a request; the next one takes over what stands below
    Monotonic began;
    Again again = Again::no;
    bool not_processed = false;              // the backend has said that it has not acted on it
    Monotonic answer_by = Monotonic::max();  // once it has gone out whole: however often it is tried
    bool new_one_closed = false;             // a new connection, without a byte of an answer
    bool counted = false;                    // as a failure of its endpoint
  };
  std::optional<Slice> rewritten(Exchange& x) const;
  bool may_switch(Exchange& x) const;
  void open_tunnel(Exchange& x, Lease& c) const;
  http::Requester::Timeouts timeouts_for(Exchange& x, const Endpoint& endpoint) const;
  Result<void> check_switch(Exchange& x) const;
  void rebuild_headers(Exchange& x) const;
  Task<Result<void>> read_answer(Exchange& x, Lease& c);
  Task<Result<void>> send_and_receive(Exchange& x, Lease& c, Attempt& attempt);

  std::shared_ptr<Cluster> cluster_;
  std::shared_ptr<const http::HeaderGuard> guard_;
  http::Requester::Timeouts timeouts_;
  std::optional<Duration> call_timeout_;  // of a gRPC call, to the response's head
  bool keep_credentials_;
  bool websocket_;
  bool abort_on_fin_;
  Duration idle_timeout_;
  std::optional<config::PathPattern> path_;
  std::optional<RewriteBack> back_;
};

// Of a gRPC call: from when it came, however often it is tried.
Monotonic deadline_of(const Exchange& x) {
  const auto within = http::grpc::is_call(x.request) ? http::grpc::timeout(x.request) : std::nullopt;
  return within ? x.began + *within : Monotonic::max();
}

bool is_idempotent(http::Method m) noexcept {  // RFC 9110 section 9.2.2
  using http::Method;
  return m == Method::get || m == Method::head || m == Method::put || m == Method::delete_ ||
         m == Method::options || m == Method::trace;
}

Task<> Forward::handle(Exchange& x, Next) {
  if (!may_switch(x)) {
    co_await x.fail(Error{Code::forbidden, "upgrade_not_allowed",
                          "this route lets no connection become a WebSocket (forward.upgrade)"});
    co_return;
  }
  rebuild_headers(x);
  if (path_) {
    const std::optional<Slice> path = rewritten(x);
    if (!path) {
      co_await x.fail(Error{Code::internal, "no_path", "forward.path has a {name} without a value"});
      co_return;
    }
    x.request.sent_path = *path;
  }
  x.notes.upstream = cluster_->options().name;
  x.ends_with_client = abort_on_fin_;
  Result<void> ready = co_await ready_to_send(x, *cluster_);
  if (!ready) {
    co_await x.fail(std::move(ready.error()));
    co_return;
  }
  const size_t targets = cluster_->options().targets.size(), attempts = targets + 1;
  const Monotonic latest = cluster_->has_http2() ? deadline_of(x) : Monotonic::max();
  size_t not_reached = 0;
  bool fresh = false;
  Attempt attempt;
  for (size_t tried = 1;; ++tried) {
    attempt.began = MonotonicClock::now();
    Result<Lease*> connection = co_await cluster_->acquire(x.client_ip, fresh, latest);
    if (!connection && x.loop.now() >= latest) {
      co_await x.fail(Error{Code::upstream_timeout, "upstream_timeout",
                            "the call's deadline has passed before it had a connection"});
      co_return;
    }
    if (!connection) {
      // Nothing of the request has been touched: any method may be tried elsewhere, where there is one.
      if (connection.error().code == Code::upstream_unreachable && ++not_reached < targets) continue;
      co_await x.fail(std::move(connection.error()));
      co_return;
    }
    x.hold(**connection);
    (*connection)->holder = &x;
    attempt.again = Again::no;
    attempt.counted = false;
    Result<void> done = co_await send_and_receive(x, **connection, attempt);
    if (done) co_return;
    x.release_held();
    const bool can =
        attempt.again == Again::untouched || (attempt.again == Again::rewound && x.rewind_body());
    if (!can || tried >= attempts + (attempt.not_processed ? 3 : 0)) {
      if (!attempt.counted && side_of(done.error().code) == Side::upstream) cluster_->count(done.error());
      co_await x.fail(std::move(done.error()));
      co_return;
    }
    fresh = fresh || !attempt.not_processed;
  }
}

Task<Result<void>> Forward::send_and_receive(Exchange& x, Lease& c, Attempt& attempt) {
  Endpoint& endpoint = c.endpoint;
  http::Requester::Timeouts timeouts = timeouts_for(x, endpoint);
  const Duration whole = timeouts.response;
  const Monotonic latest = std::min(timeouts.deadline, attempt.answer_by);
  timeouts.response = std::min(whole, attempt.answer_by - x.loop.now());
  Result<void> done = co_await c.requester.send(x.request, endpoint.target.authority, timeouts, x.arena);
  if (done && is_gone(x)) done = gone();
  if (done && c.requester.request_sent())
    attempt.answer_by = std::min(attempt.answer_by, x.loop.now() + whole);
  if (done) done = co_await read_answer(x, c);
  if (done && x.response.status == 101) done = check_switch(x);
  const Duration took = MonotonicClock::now() - attempt.began;
  x.notes.upstream_us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  if (!done) {
    const Code code = done.error().code;
    if (side_of(code) == Side::client || code == Code::internal) co_return done;
    const http::Requester& r = c.requester;
    // A kept connection that its owner closed just as we sent: not the endpoint's failure (RFC 9112
    // section 9.3.1).
    const bool closed = r.answered_nothing() && code != Code::upstream_timeout;
    const bool stale = c.reused && closed;
    const bool by_chance = stale || (closed && !std::exchange(attempt.new_one_closed, true));
    using enum http::Requester::Refusal;
    attempt.not_processed = r.refusal() != none;
    if ((stale || attempt.not_processed) && r.content_untouched()) {
      attempt.again = Again::untouched;
    } else if (attempt.not_processed || (by_chance && is_idempotent(x.request.method))) {
      attempt.again = Again::rewound;
    }
    // Nor is it, if the client, or an endpoint before, left it no time.
    const bool hurried = latest <= x.loop.now() && took < whole / 2;
    attempt.counted = !stale && r.refusal() != leaving && !hurried;
    if (attempt.counted) cluster_->failed(c, done.error());
    // It was reached, and may have acted on the request: nobody is to be told to come again for that.
    if (code == Code::upstream_unreachable && !attempt.not_processed)
      done.error().code = Code::upstream_bad_answer;
    co_return done;
  }
  cluster_->succeeded(c, took);
  http::Response& r = x.response;
  if (x.request.method == http::Method::head) {  // tells of the content that a GET would bring
    if (auto length = text::parse_decimal(r.headers.get(HeaderId::content_length))) {
      r.length = {http::BodyLength::Kind::counted, *length};
    }
  }
  http::remove_hop_by_hop(r.headers);
  if (back_) back_->apply(x, endpoint.target);
  if (r.status == 101) {
    open_tunnel(x, c);
  } else {
    x.watch_answer();
  }
  x.answered = true;
  co_return done;
}

// A WebSocket only where the route allows it; other wishes are not heard (RFC 9110 section 7.8 lets a server
// ignore them).
bool Forward::may_switch(Exchange& x) const {
  if (x.request.upgrade.empty()) return true;
  if (text::iequals(x.request.upgrade, "websocket")) return websocket_;
  x.request.upgrade = {};
  return true;
}

// The parameters' values stand in the canonical path as they are: what is made of them is canonical. Nothing
// if one has no value: another path than the one that was meant is not asked for.
std::optional<Slice> Forward::rewritten(Exchange& x) const {
  std::array<Slice, 2 * config::PathPattern::segments_max + 1> pieces;
  size_t count = 0;
  for (const config::Segment& segment : path_->segments) {
    const bool literal = segment.kind == config::Segment::Kind::literal;
    const std::optional<Slice> piece = literal ? Slice(segment.text) : x.params.value(segment.text);
    const bool rest = segment.kind == config::Segment::Kind::rest;
    if (!piece || (piece->empty() && !rest)) return std::nullopt;
    if (piece->empty()) continue;
    pieces[count++] = "/";
    pieces[count++] = *piece;
  }
  const bool open_end =
      !path_->segments.empty() && path_->segments.back().kind == config::Segment::Kind::rest;
  const bool wants_slash = path_->trailing_slash || (open_end && x.request.path.ends_with('/'));
  if (count == 0 || (wants_slash && !pieces[count - 1].ends_with('/'))) pieces[count++] = "/";
  return x.arena.concat(std::span<const Slice>(pieces).first(count));
}

// A gRPC call may be a stream of messages with long pauses in both directions; the client says how long all
// of it may take.
http::Requester::Timeouts Forward::timeouts_for(Exchange& x, const Endpoint& endpoint) const {
  http::Requester::Timeouts timeouts = timeouts_;
  if (!endpoint.target.http2 || !http::grpc::is_call(x.request)) return timeouts;
  timeouts.response = call_timeout_.value_or(idle_timeout_);
  timeouts.body = idle_timeout_;
  x.request.silence = idle_timeout_;
  timeouts.deadline = deadline_of(x);
  return timeouts;
}

void Forward::open_tunnel(Exchange& x, Lease& c) const {
  x.response.headers.add(HeaderId::upgrade, x.request.upgrade);
  x.ends_with_client = false;  // the tunnel has its own ends
  http::TunnelLimits limits{idle_timeout_, timeouts_.body, {}};
  if (x.admission != nullptr) limits.still_allowed = [&x] { return x.still_allowed(); };
  x.response.body = &c.requester.tunnel(x.responder().open_tunnel(), std::move(limits));
  x.response.length = {http::BodyLength::Kind::until_close, 0};
}

// An HTTP/2 client has no part in the handshake of RFC 6455, so we look at the backend's.
Result<void> Forward::check_switch(Exchange& x) const {
  if (x.request.version != http::Version::http2 || take_websocket_accept(x.request, x.response)) return {};
  return sallyport::fail(Code::upstream_bad_answer, "bad_websocket_accept",
                         "the upstream's Sec-WebSocket-Accept does not belong to our key");
}

// The final head; interim ones pass on their way, but for 100: whoever asked for that has had it from us.
Task<Result<void>> Forward::read_answer(Exchange& x, Lease& c) {
  for (;;) {
    Result<void> read = co_await c.requester.read_response(x.request, x.arena, x.response);
    if (!read || x.response.status >= 200 || x.response.status == 101) co_return read;
    http::remove_hop_by_hop(x.response.headers);
    if (x.response.status != 100) x.responder().interim(x.request, x.response);
  }
}

// The request as the backend gets it: nothing of what was meant for this hop, nothing that a client may not
// say of itself, and what the gateway knows.
void Forward::rebuild_headers(Exchange& x) const {
  http::Headers& headers = x.request.headers;
  const Slice trace = IdGenerator::here().traceparent(headers.get(HeaderId::traceparent), x.arena);
  // Of several nobody knows which is the proxy's: one that appends leaves the client's own in front.
  const bool told = x.behind_proxy && headers.count(HeaderId::x_forwarded_proto) == 1;
  const Slice said = told ? headers.get(HeaderId::x_forwarded_proto) : Slice{};
  const Slice proto = said == "https" || said == "http" ? said : x.connection.tls ? "https" : "http";
  http::remove_hop_by_hop(headers);
  headers.remove_if([&](const http::Header& h) {
    return h.id == HeaderId::expect || h.id == HeaderId::host ||
           guard_->withholds(h, x.behind_proxy, keep_credentials_);
  });
  x.request.guard = guard_.get();
  headers.add(HeaderId::x_forwarded_for, x.forwarded_for);
  headers.add(HeaderId::x_forwarded_proto, proto);
  headers.add(HeaderId::x_forwarded_host, x.request.authority);
  headers.add(HeaderId::x_request_id, x.request_id);
  headers.add(HeaderId::traceparent, trace);
  if (!x.request.upgrade.empty() && x.request.version == http::Version::http2)
    add_websocket_key(x.request, x.arena);
  if (const Principal* who = x.principal.get()) {
    headers.add(HeaderId::x_client_id, who->client);
    if (!who->roles_text.empty()) headers.add(HeaderId::x_client_roles, who->roles_text);
    if (!who->scopes_text.empty()) headers.add(HeaderId::x_client_scopes, who->scopes_text);
  }
}

// By default where the backend knows other paths than the client.
std::optional<RewriteBack> rewrite_back(const ForwardOptions& options, const config::PathPattern& match) {
  const Answers answers = options.answers.value_or(options.path ? Answers::rewrite : Answers::keep);
  if (answers == Answers::keep) return std::nullopt;
  return std::optional<RewriteBack>(std::in_place, match, options.path.value_or(match));
}

std::unique_ptr<Plugin> make_forward(config::Reader& reader, Setup& setup) {
  ForwardOptions options;
  reader.value(options);
  if (options.to.empty() && !reader.whole()) return nullptr;
  const auto route = std::ranges::find(setup.model.routes, setup.route, &config::Route::name);
  std::optional<RewriteBack> back;
  if (route != setup.model.routes.end() && !route->match.path.text.empty()) {
    if (options.path) check_path(*options.path, route->match.path, reader);
    back = rewrite_back(options, route->match.path);
  }
  check_upgrade(options, reader, setup);
  std::shared_ptr<Cluster> cluster = find_cluster(options.to, reader, setup);
  if (cluster == nullptr || !reader.whole()) return nullptr;
  return std::make_unique<Forward>(std::move(cluster), setup.header_guard(), options, std::move(back),
                                   setup.model.http.abort_on_fin);
}

}  // namespace

const PluginType& forward_plugin() {
  static constexpr PluginType type = {"forward", Band::forward, &make_forward, &check_upstreams,
                                      &describe_as<ForwardOptions>};
  return type;
}

}  // namespace sallyport::upstream
