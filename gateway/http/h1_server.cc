#include "gateway/http/h1_server.h"

#include <array>
#include <optional>

#include "gateway/http/h1_message.h"
#include "gateway/http/linger.h"

namespace sallyport::http::h1 {
namespace {

constexpr uint64_t drain_max = 64 * 1024;  // content that is read off to keep a connection
constexpr Slice continue_line = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr ReceivedBody::Faults faults = {Code::request_timeout, Code::client_gone, Code::malformed_request};

}  // namespace

ServerConnection::ServerConnection(net::Stream& stream, const ServerLimits& limits) noexcept
    : stream_(stream),
      limits_(limits),
      body_(stream, faults),
      head_(stream.loop().blocks()),
      end_(stream.loop().blocks()) {}

Task<bool> ServerConnection::wait_for_request() {
  const Duration patience = first_ ? limits_.header_timeout : limits_.idle_timeout;
  first_ = false;
  Buffer& input = stream_.input();
  if (input.empty()) stream_.rest();
  const Monotonic deadline = stream_.loop().now() + patience;
  bool skipped = false;
  for (;;) {
    // One empty line before a request line is skipped (RFC 9112 section 2.2).
    if (!skipped && input.readable().starts_with("\r\n")) {
      input.consume(2);
      skipped = true;
    }
    const bool half_line = !skipped && input.readable() == "\r";
    if (!input.empty() && !half_line) co_return true;
    Result<bool> more = co_await stream_.more(deadline);
    if (!more || !*more) co_return false;
  }
}

Task<Result<void>> ServerConnection::read_request(Arena& arena, Request& request) {
  Buffer& input = stream_.input();
  sent_ = 0;
  head_sent_ = false;
  keep_alive_ = false;
  body_.begin({}, limits_.body_timeout);
  size_t scanned = 0;
  const Monotonic deadline = stream_.loop().now() + limits_.header_timeout;
  Result<size_t> size = find_head_end(input.readable(), scanned, limits_.head);
  while (size && *size == 0) {
    waits_for_head_ = true;
    Result<bool> more = co_await stream_.more(deadline);
    waits_for_head_ = false;
    if (!more && more.error().code == Code::timed_out) {
      co_return fail(Code::request_timeout, "header_timeout", "the header did not arrive in time");
    }
    if (!more) co_return fail(Code::client_gone, more.error().reason);
    if (!*more) co_return fail(Code::client_gone, "ended_in_head");
    size = find_head_end(input.readable(), scanned, limits_.head);
  }
  if (!size) co_return std::unexpected(std::move(size.error()));
  const Slice head = arena.copy(input.readable().substr(0, *size));
  input.consume(*size);
  Result<void> read = read_request_head(head, limits_.head, arena, request);
  if (!read) co_return read;
  body_.begin(request.length, limits_.body_timeout, Pace(limits_.body_rate));
  if (!body_.finished()) {
    if (request.expects_continue) {
      body_.invite(continue_line);
    } else if (input.empty()) {  // as from a backend: some clients write head and content apart
      stream_.acknowledge_now();
    }
  }
  request.body = &body_;
  keep_alive_ = request.keep_alive;
  co_return Result<void>{};
}

// Decided when the answer's head is written: a client that still sends a lot, or waits for a 100 that will
// not come, cannot be understood any more after this answer. One that has ended its sending may have asked
// for more before that.
bool ServerConnection::may_go_on(const Request& request) const noexcept {
  if (!keep_alive_ || !request.keep_alive || closing_) return false;
  if (stream_.ended() && stream_.input().empty()) return false;
  if (body_.finished()) return true;
  if (body_.invitation_pending()) return false;
  const std::optional<uint64_t> left = body_.remaining();
  return left && *left <= drain_max;
}

Result<void> ServerConnection::write_piece(const Response& response, Slice piece, bool last) {
  sent_ += piece.size();
  const Slice head = head_sent_ ? Slice{} : head_.readable();
  head_sent_ = true;
  Result<void> written = write_content(stream_, response.length.kind, head, piece, last, last && !keep_alive_,
                                       last ? last_chunk_of(response) : last_chunk);
  if (!head_.empty()) head_.release();
  if (!end_.empty()) end_.release();
  if (!written) return fail(Code::client_gone, written.error().reason);
  return {};
}

// Trailers are for those who have said that they take them (RFC 9110 section 6.5.1).
Slice ServerConnection::last_chunk_of(const Response& response) {
  if (!takes_trailers_ || response.length.kind != BodyLength::Kind::chunked) return last_chunk;
  const Headers* trailers = response.body->trailers();
  if (trailers == nullptr || trailers->size() == 0) return last_chunk;
  write_last_chunk(*trailers, end_);
  return end_.readable();
}

Task<Result<void>> ServerConnection::respond(const Request& request, Response& response) {
  if (response.status == 0) co_return fail(Code::client_gone, "client_gone");
  using Kind = BodyLength::Kind;
  const bool switches = response.status == 101;
  const bool content = switches || may_have_content(request.method, response.status);
  if (content && !switches && response.length.is_unknown()) {
    response.length = {request.version == Version::http10 ? Kind::until_close : Kind::chunked, 0};
  }
  // Its end says that it is whole (RFC 9112 section 6.3): until it is, any end must be another one.
  const bool by_close = content && !switches && response.length.kind == Kind::until_close;
  // One that wanted to switch and was not let may have sent what is no HTTP: nothing more is read.
  keep_alive_ = may_go_on(request) && request.upgrade.empty() &&
                !(content && response.length.kind == Kind::until_close);
  takes_trailers_ = request.gets_trailers();
  head_.release();
  if (Result<void> head = write_response_head(response, request.method, request.version, keep_alive_, head_);
      !head) {
    keep_alive_ = false;
    co_return head;
  }
  if (!content || response.body == nullptr) {
    Result<void> written = flush_head(!keep_alive_);
    if (!written) co_return written;
  } else {
    if (by_close) stream_.reset_at_end(true);
    Result<void> streamed = co_await send_content(response);
    if (!streamed) {
      keep_alive_ = false;
      co_return streamed;
    }
  }
  Result<void> out = co_await taken();
  if (out && by_close) stream_.reset_at_end(false);
  co_return out;
}

void ServerConnection::interim(const Request& request, const Response& response) {
  if (request.version == Version::http10 || stream_.queued() > 0) return;
  Buffer head(stream_.loop().blocks());
  if (!write_response_head(response, request.method, request.version, true, head)) return;
  Result<void> written = stream_.write(head.readable());
  static_cast<void>(written);  // a client that has left is found by the answer
}

// The tunnel has its own idea of silence.
Body& ServerConnection::open_tunnel() {
  constexpr Duration for_long = std::chrono::hours(24 * 365);
  in_tunnel_ = true;
  body_.begin({BodyLength::Kind::until_close, 0}, for_long);
  return body_;
}

Task<Result<void>> ServerConnection::send_content(Response& response) {
  LengthCheck length(response.length);
  for (bool done = false; !done;) {
    Task<Result<Slice>> pending = response.body->pull();
    if (!pending.done()) {  // the head does not wait for content that may be long in coming
      Result<void> written = flush_head(false);
      if (!written) co_return written;
      waits_for_content_ = true;
    }
    Result<Slice> piece = co_await pending;
    waits_for_content_ = false;
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    const Result<bool> last = length.is_last(*piece, *response.body);
    if (!last) co_return std::unexpected(last.error());
    done = *last;
    Slice rest = *piece;
    do {
      const Slice part = rest.substr(0, piece_max);
      rest.remove_prefix(part.size());
      Result<void> written = write_piece(response, part, done && rest.empty());
      if (!written) co_return written;
      if (stream_.queued() == 0) continue;
      Result<void> gone_out = co_await taken();
      if (!gone_out) co_return gone_out;
    } while (!rest.empty());
  }
  co_return Result<void>{};
}

void ServerConnection::say_last_words(const Response& response) {
  if (!waits_for_content_) return;
  const std::array<Slice, 1> words = {response.body->last_words()};
  if (words.front().empty()) return;
  Result<void> written = stream_.write_last(words);
  static_cast<void>(written);  // it is cut anyway
}

Result<void> ServerConnection::flush_head(bool close) {
  if (head_sent_) return {};
  head_sent_ = true;
  const std::array<Slice, 1> head = {head_.readable()};
  Result<void> written = close ? stream_.write_last(head) : stream_.write(head);
  head_.release();
  if (!written) return fail(Code::client_gone, written.error().reason);
  return {};
}

Task<Result<void>> ServerConnection::taken() {
  Result<void> out = co_await stream_.drained(stream_.loop().now() + limits_.write_timeout);
  if (!out)
    co_return fail(Code::client_gone,
                   out.error().code == Code::timed_out ? "slow_reader" : out.error().reason);
  co_return out;
}

Task<bool> ServerConnection::finish() {
  if (!keep_alive_ || stream_.broken()) co_return false;
  body_.set_silence(with_content.silence);
  while (!body_.finished()) {
    if (closing_) co_return false;
    Result<Slice> piece = co_await body_.pull();
    if (!piece) co_return false;
  }
  co_return true;
}

}  // namespace sallyport::http::h1
