#include "gateway/http/h2_stream.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "gateway/http/h2_server.h"
#include "gateway/http/linger.h"

namespace sallyport::http::h2 {
namespace {

// Bytes of an answer that a client takes within write_timeout, or it is too slow.
constexpr size_t share_min = 4096;

bool has_content(const Request& request, const Response& response) noexcept {
  const bool none = response.length.kind == BodyLength::Kind::counted && response.length.bytes == 0;
  return may_have_content(request.method, response.status) && !none && response.body != nullptr;
}

std::unexpected<Error> gone(std::string_view reason) { return fail(Code::client_gone, reason); }

}  // namespace

ServerStream::ServerStream(ServerSession& session, int32_t id, void* owner) noexcept
    : session_(session),
      id_(id),
      owner_(owner),
      head_(session.limits_.head),
      kept_(session.stream_.loop().blocks()),
      pace_(session.limits_.body_rate),
      arrived_(session.stream_.loop().blocks()),
      given_(session.stream_.loop().blocks()) {}

ServerStream::~ServerStream() {
  session_.consumed(*this, arrived_.size() + given_.size());
  session_.forget(*this);
}

void ServerStream::read_into(Arena& arena, Request& request) noexcept {
  arena_ = &arena;
  request_ = &request;
  head_.read_into(arena, request);
}

Task<> ServerStream::finish() {
  if (request_ended_ || !end_sent_) {
    reset_unless_ended();
    return Task<>::ready();
  }
  return read_off();
}

Task<> ServerStream::read_off() {
  const Monotonic deadline = session_.stream_.loop().now() + linger_time;
  uint64_t dropped = 0;
  for (bool told = true; told && dropped < linger_bytes_max && !request_ended_;) {
    dropped += arrived_.size();
    session_.consumed(*this, arrived_.size());
    arrived_.release();
    told = co_await wait(reader_, deadline);
  }
  reset_unless_ended();
}

void ServerStream::reset_unless_ended() {
  if (closed_ || request_ended_) return;
  session_.reset(*this, end_sent_ ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR);
}

// --- the request's content

void ServerStream::arrived(Slice content) {
  received_ += content.size();
  arrived_.append(content);
}

Slice ServerStream::give_arrived() noexcept {
  std::swap(given_, arrived_);
  pulled_ += given_.size();
  return given_.readable();
}

Task<Result<Slice>> ServerStream::pull() {
  if (!given_.empty()) {
    session_.consumed(*this, given_.size());
    given_.release();
  }
  if (!arrived_.empty()) return Task<Result<Slice>>::ready(give_arrived());
  if (request_ended_) return Task<Result<Slice>>::ready(Slice{});
  return wait_for_content();
}

Task<Result<Slice>> ServerStream::wait_for_content() {
  if (request_->expects_continue && received_ == 0 && !std::exchange(invited_, true)) {
    Response go_on;
    go_on.status = 100;
    session_.submit_interim(*this, go_on);
  }
  const Monotonic since = session_.stream_.loop().now();
  const bool came = co_await wait(reader_, since + session_.limits_.body_timeout);
  pace_.waited(session_.stream_.loop().now() - since);
  if (!came) co_return fail(Code::request_timeout, "body_timeout", "the content did not arrive in time");
  if (!request_ended_ && pace_.too_slow(received_))
    co_return fail(Code::request_timeout, "body_too_slow", "the content came too slowly");
  co_return give_arrived();  // empty: the end
}

std::optional<uint64_t> ServerStream::remaining() const noexcept {
  if (request_ended_) return arrived_.size();
  if (request_->length.kind != BodyLength::Kind::counted) return std::nullopt;
  return request_->length.bytes - std::min(request_->length.bytes, pulled_);
}

// --- the answer

Slice ServerStream::take(size_t most) noexcept {
  const Slice taken = piece_.substr(0, most);
  piece_.remove_prefix(taken.size());
  return taken;
}

void ServerStream::submit(const Response& response, bool content) {
  if (std::exchange(head_sent_, true)) return;
  session_.submit(*this, response, content);
}

Task<Result<void>> ServerStream::respond(const Request& request, Response& response) {
  if (response.status == 0) co_return gone("client_gone");
  if (!has_content(request, response)) {
    submit(response, false);
  } else {
    Result<void> streamed = co_await send_content(response);
    if (!streamed) {
      if (head_sent_) session_.reset(*this, NGHTTP2_INTERNAL_ERROR);
      co_return streamed;
    }
  }
  co_return co_await wait_until_ended();
}

void ServerStream::interim(const Request&, const Response& response) {
  session_.submit_interim(*this, response);
}

Task<Result<void>> ServerStream::send_content(Response& response) {
  const bool counted = response.length.kind == BodyLength::Kind::counted;
  uint64_t left = response.length.bytes;
  last_ = false;
  while (!last_) {
    Task<Result<Slice>> pending = response.body->pull();
    if (!pending.done())
      submit(response, true);  // the head does not wait for content that may be long in coming
    Result<Slice> piece = co_await pending;
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    last_ = piece->empty();
    if (counted) {
      if (piece->size() > left || (last_ && left > 0)) co_return fail(Code::internal, "wrong_length");
      left -= piece->size();
      last_ = left == 0;
    }
    piece_ = *piece;
    sent_ += piece->size();
    submit(response, true);
    session_.resume(*this);
    if (!piece_.empty()) {  // its bytes are good until somebody reads again
      kept_.append(piece_);
      piece_ = kept_.readable();
    }
    if (last_) break;
    Result<void> taken = co_await wait_until_taken();
    kept_.release();
    if (!taken) co_return taken;
  }
  co_return Result<void>{};
}

// A share of the connection is enough, but a trickle does not hold the backend.
Task<Result<void>> ServerStream::wait_until_taken() {
  while (!piece_.empty()) {
    const size_t before = piece_.size();
    const bool told = co_await wait(writer_, session_.stream_.loop().now() + session_.limits_.write_timeout);
    if (!told && !piece_.empty() && before - piece_.size() < share_min) co_return too_slow();
  }
  co_return Result<void>{};
}

Task<Result<void>> ServerStream::wait_until_ended() {
  Result<void> taken = co_await wait_until_taken();
  const Monotonic deadline = session_.stream_.loop().now() + session_.limits_.write_timeout;
  while (taken && !end_sent_) {
    const bool told = co_await wait(writer_, deadline);
    if (!told && !end_sent_) taken = too_slow();
  }
  co_return taken;
}

Result<void> ServerStream::too_slow() {
  session_.reset(*this, NGHTTP2_CANCEL);
  return gone("slow_reader");
}

// --- waiting

// True if it was told, false after the time: for whoever may be destroyed while waiting.
Task<bool> ServerStream::wait(WaitUntil*& slot, Monotonic deadline) {
  struct Place {
    WaitUntil*& slot;
    ~Place() { slot = nullptr; }
  };
  WaitUntil until(session_.stream_.loop(), deadline);
  slot = &until;
  const Place place{slot};
  co_return co_await until;
}

void ServerStream::wake() {
  if (reader_ != nullptr && (!arrived_.empty() || request_ended_)) reader_->notify();
  if (writer_ != nullptr && (piece_.empty() || end_sent_)) writer_->notify();
}

}  // namespace sallyport::http::h2
