#include "gateway/http/h1_client.h"

#include <algorithm>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/http/h1_message.h"

namespace sallyport::http::h1 {
namespace {

constexpr Duration last_words_time = seconds(1);  // a connection that is broken tells at once
constexpr ReceivedBody::Faults faults = {Code::upstream_timeout, Code::upstream_bad_answer,
                                         Code::upstream_bad_answer};

// A failure of the backend's connection while we send.
std::unexpected<Error> send_failure(Error&& error) {
  if (error.code == Code::timed_out) {
    return fail(Code::upstream_timeout, "upstream_write_timeout", "the upstream does not take the request");
  }
  return fail(Code::upstream_unreachable, "upstream_reset", std::move(error.detail));
}

// Until the socket has taken what is queued. That may be all of a large content: what counts is that some of
// it is taken.
Task<Result<void>> taken(net::Stream& stream, Duration silence) {
  for (;;) {
    const size_t before = stream.queued();
    Result<void> out = co_await stream.drained(stream.loop().now() + silence);
    if (out || out.error().code != Code::timed_out || stream.queued() >= before) co_return out;
  }
}

}  // namespace

ClientConnection::ClientConnection(std::unique_ptr<net::Stream> stream) noexcept
    : stream_(std::move(stream)), body_(*stream_, faults) {}

bool ClientConnection::reusable() const noexcept {
  return stream_ != nullptr && request_whole_ && stream_->queued() == 0 && keep_alive_ && body_.finished() &&
         alive();
}

Standing ClientConnection::standing() const noexcept {
  if (tunnel_) return {Standing::WaitsFor::either};
  const Monotonic stalled = pump_.done() ? Monotonic::max() : upload_.stalled_since();
  return answer_begun_ ? Standing::of_both(body_.untouched_since(), stalled) : Standing::of_content(stalled);
}

void ClientConnection::give_up_answer() noexcept {
  stop();
  body_.abandon({Code::client_gone, "slow_reader", "the client took too little of it for too long"});
  stream_.reset();
}

Task<Result<void>> ClientConnection::send(const Request& request, Slice host, const Timeouts& timeouts,
                                          Arena&) {
  timeouts_ = timeouts;
  request_whole_ = keep_alive_ = answer_begun_ = answered_ = false;
  content_untouched_ = !request.length.is_nothing();
  pumped_ = {};
  interims_ = {};
  upload_.begin();
  Buffer head(stream_->loop().blocks());
  if (Result<void> good = write_request_head(request, host, head); !good) co_return good;
  // Content that is there already goes out with the head in one write.
  Task<Result<Slice>> pending = request.body->pull();
  if (!pending.done()) {
    Result<void> written = stream_->write(head.readable());
    if (!written) co_return send_failure(std::move(written.error()));
    head.release();
    // Pulled again by the pump: to give up a pull loses nothing.
    pending = Task<Result<Slice>>::ready(Slice{});
    co_return co_await send_content(request);
  }
  Result<Slice> piece = co_await pending;
  if (!piece) co_return std::unexpected(std::move(piece.error()));
  content_untouched_ = false;
  const bool last = piece->empty() || request.body->remaining() == 0;
  Result<void> written = write_content(*stream_, request.length.kind, head.readable(), *piece, last);
  head.release();
  if (!written) co_return send_failure(std::move(written.error()));
  request_whole_ = last;
  if (last && stream_->queued() == 0) co_return Result<void>{};
  co_return co_await send_content(request);
}

// The rest of the content, until the socket has taken all of it; ends before that if the answer begins.
Task<Result<void>> ClientConnection::send_content(const Request& request) {
  pump_ = pump(request);
  if (!pump_.done()) {
    Task<> answer = answer_begins();
    co_await FirstOf(pump_, answer);
  }
  if (!pump_.done()) co_return Result<void>{};
  // A backend that closes early may have answered before (RFC 9112 section 9.6): its last words come first.
  if (!pumped_ && pumped_.error().code == Code::upstream_unreachable && stream_->input().empty()) {
    Result<bool> more = co_await stream_->more(stream_->loop().now() + last_words_time);
    static_cast<void>(more);  // nothing else was to be expected
  }
  const bool answers = !stream_->input().empty();
  if (!pumped_ && answers && side_of(pumped_.error().code) != Side::client)
    co_return Result<void>{};  // its answer is here, though it has closed
  co_return pumped_;
}

Task<> ClientConnection::answer_begins() {
  if (!stream_->input().empty()) co_return;
  // No time limit here: the pump has one for each step.
  Result<bool> more = co_await stream_->more(Monotonic::max());
  static_cast<void>(more);  // the end, too, is for whoever reads the answer
}

Task<> ClientConnection::pump(const Request& request) { pumped_ = co_await pump_all(request); }

Task<Result<void>> ClientConnection::pump_all(const Request& request) {
  for (;;) {
    if (stream_->queued() > 0) {
      Result<void> out = co_await taken(*stream_, timeouts_.body);
      if (!out) co_return send_failure(std::move(out.error()));
    }
    if (request_whole_) co_return Result<void>{};
    Result<Slice> piece = co_await upload_.pull(stream_->loop(), *request.body);
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    content_untouched_ = false;
    const bool last = piece->empty() || request.body->remaining() == 0;
    Result<void> written = write_content(*stream_, request.length.kind, {}, *piece, last);
    if (!written) co_return send_failure(std::move(written.error()));
    request_whole_ = last;
  }
}

Task<Result<size_t>> ClientConnection::find_head(Monotonic deadline) {
  size_t scanned = 0;
  for (;;) {
    Buffer& input = stream_->input();
    Result<size_t> size = find_head_end(input.readable(), scanned, response_limits);
    if (!size && size.error().code != Code::headers_too_large)
      co_return fail(Code::upstream_bad_answer, size.error().reason, std::move(size.error().detail));
    if (!size)
      co_return fail(Code::upstream_bad_answer, "upstream_head_too_large",
                     "the response's header block is too large");
    if (*size > 0) co_return *size;
    Result<bool> more = co_await stream_->more(deadline);
    answered_ = answered_ || !stream_->input().empty();
    if (!more && more.error().code == Code::timed_out) {
      co_return fail(Code::upstream_timeout, "upstream_timeout", "the upstream did not answer in time");
    }
    if (!more) co_return fail(Code::upstream_bad_answer, "upstream_reset", std::move(more.error().detail));
    if (!*more)
      co_return fail(Code::upstream_bad_answer, "upstream_closed", "the upstream closed without an answer");
  }
}

Task<Result<void>> ClientConnection::read_response(const Request& request, Arena& arena, Response& response) {
  if (!pump_.done()) {  // behind an interim response the request may go on for long
    Task<> answer = answer_begins();
    co_await FirstOf(pump_, answer);
  }
  if (!pumped_ && side_of(pumped_.error().code) == Side::client) co_return pumped_;
  Task<Result<size_t>> found =
      find_head(std::min(stream_->loop().now() + timeouts_.response, timeouts_.deadline));
  if (!pump_.done()) {
    co_await FirstOf(pump_, found);
    if (!pumped_ && side_of(pumped_.error().code) == Side::client) co_return pumped_;
  }
  Result<size_t> size = co_await found;
  if (!size) co_return std::unexpected(std::move(size.error()));
  answered_ = true;
  const Slice head = arena.copy(stream_->input().readable().substr(0, *size));
  stream_->input().consume(*size);
  response.clear();
  Result<void> read = read_response_head(head, request.method, response_limits, response);
  if (!read) co_return read;
  if (response.status == 101) {  // what follows is not HTTP any more
    const Slice to = response.headers.get(HeaderId::upgrade);
    if (!request.upgrade.empty() && text::iequals(to, request.upgrade)) co_return Result<void>{};
    co_return fail(Code::upstream_bad_answer, "unexpected_upgrade",
                   "the upstream switched protocols unasked, or to another one");
  }
  if (response.status < 200) {
    co_return interims_.add(head.size());
  }
  body_.begin(response.length, is_event_stream(response) ? timeouts_.events : timeouts_.body);
  if (request.gets_trailers() && response.length.kind == BodyLength::Kind::chunked)
    body_.keep_trailers(arena, response.headers);
  // Many a backend writes head and content apart, with Nagle's algorithm between them.
  if (stream_->input().empty() && !body_.finished()) stream_->acknowledge_now();
  response.body = pump_.done() ? &body_ : &beside_pump_.begin(body_);
  answer_begun_ = true;
  keep_alive_ = response.keep_alive && response.length.kind != BodyLength::Kind::until_close &&
                !is_last_on_connection(request);
  co_return Result<void>{};
}

Body& ClientConnection::tunnel(Body& from_client, TunnelLimits limits) {
  request_whole_ = false;  // nothing else ever goes over this connection
  tunnel_ = std::make_unique<Tunnel>(*stream_, from_client, std::move(limits));
  return *tunnel_;
}

}  // namespace sallyport::http::h1
