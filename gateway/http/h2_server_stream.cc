#include "gateway/http/h2_server_stream.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "gateway/http/grpc.h"
#include "gateway/http/h2_server.h"
#include "gateway/http/linger.h"

namespace sallyport::http::h2 {
namespace {

constexpr size_t interim_bytes_max = 8192;  // that wait to be sent, and one head more

bool has_content(const Request& request, const Response& response) noexcept {
  if (response.status == 101) return true;
  return may_have_content(request.method, response.status) && !response.length.is_nothing() &&
         response.body != nullptr;
}

std::unexpected<Error> gone(std::string_view reason) { return fail(Code::client_gone, reason); }

}  // namespace

ServerStream::ServerStream(ServerSession& session, int32_t id, void* owner) noexcept
    : Stream(session, id, Code::headers_too_large),
      server_(session),
      owner_(owner),
      head_(session.limits_.head),
      pace_(session.limits_.body_rate) {}

void ServerStream::read_into(Arena& arena, Request& request) noexcept {
  arena_ = &arena;
  request_ = &request;
  head_.read_into(arena, request);
}

void ServerStream::field(Slice name, Slice value) {
  if (!head_whole_) return head_.field(name, value);
  trailers_.field(name, value, *arena_, server_.limits_.head);
}

void ServerStream::fields_end(bool ended) {
  if (std::exchange(head_whole_, true)) return;
  head_read_ = head_.finish(ended);
  length_ = request_->length;
  if (!ended) session_.announced(*this);
}

Task<> ServerStream::finish() {
  const bool answered = end_sent_ || end_held_;
  if (closed_ || !answered || (end_sent_ && (input_ended_ || !has_room()))) {
    reset_unless_ended();
    return Task<>::ready();
  }
  return read_off();
}

Task<> ServerStream::read_off() {
  const Monotonic last = loop().now() + with_content.whole;
  uint64_t dropped = 0;
  drop_given();  // its window may be all that the client waits for
  for (bool told = true; told && dropped < with_content.bytes && !input_ended_ && has_room();) {
    dropped += arrived_.size();
    drop_arrived();
    told = co_await wait(reader_, std::min(last, loop().now() + with_content.silence));
  }
  if (std::exchange(end_held_, false)) {
    offer({}, true, nullptr);
    const Result<void> ended = co_await wait_until_ended();
    if (!ended) co_return;
  }
  reset_unless_ended();
}

void ServerStream::reset_unless_ended() {
  if (closed_ || input_ended_) return;
  server_.reset(*this, end_sent_ ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR);
}

bool ServerStream::has_room() const noexcept { return loop().blocks().pressure() != Pressure::full; }

// Behind 2xx clients go on sending, and curl 7.88 waits for ever if the answer ends before that.
bool ServerStream::ends_behind_request(const Request& request, int status) const noexcept {
  return !input_ended_ && status >= 200 && status < 300 && request.upgrade.empty() &&
         (!request.expects_continue || invited_) && !grpc::is_call(request) && has_room();
}

void ServerStream::say_last_words(const Response& response) {
  if (!waits_for_content_ || closed_) return;
  const Slice words = response.body->last_words();
  if (!words.empty()) offer(words, true, nullptr);
}

void ServerStream::give_way() { server_.reset(*this, NGHTTP2_ENHANCE_YOUR_CALM); }

// --- the request's content

Task<Result<Slice>> ServerStream::wait_for_content() {
  if (request_->expects_continue && received_ == 0 && !std::exchange(invited_, true)) {
    Response go_on;
    go_on.status = 100;
    send_interim(go_on);
  }
  const Monotonic since = loop().now();
  const Duration silence = request_->silence.value_or(server_.limits_.body_timeout);
  const bool came = co_await wait(reader_, since + silence);
  pace_.waited(loop().now() - since);
  if (!came) co_return fail(Code::request_timeout, "body_timeout", "the content did not arrive in time");
  if (!request_->silence && !input_ended_ && pace_.too_slow(received_))
    co_return fail(Code::request_timeout, "body_too_slow", "the content came too slowly");
  if (arrived_.empty()) co_return end_of_content();
  co_return give_arrived();
}

// Its silence is judged by the tunnel.
Body& ServerStream::open_tunnel() {
  constexpr Duration for_long = std::chrono::hours(24 * 365);
  request_->silence = for_long;
  in_tunnel_ = true;
  return *this;
}

// --- the answer

Result<void> ServerStream::submit(const Response& response, bool content) {
  if (head_sent_) return {};
  if (!write_response_fields(response, *arena_, *server_.fields_)) return unsafe_header();
  head_sent_ = true;
  server_.respond(*this, content);
  return {};
}

Task<Result<void>> ServerStream::respond(const Request& request, Response& response) {
  if (response.status == 0) co_return gone("client_gone");
  if (!request.upgrade.empty() && response.status >= 200 && response.status < 300)
    co_return fail(Code::upstream_bad_answer, "not_switched",
                   "2xx without a switch of protocols would mean one (RFC 8441 section 5)");
  end_held_ = ends_behind_request(request, response.status);
  if (!has_content(request, response)) {
    Result<void> submitted = submit(response, end_held_);
    if (!submitted) co_return submitted;
  } else {
    Result<void> streamed = co_await send_content(response);
    if (!streamed) {
      if (head_sent_) server_.reset(*this, NGHTTP2_INTERNAL_ERROR);
      co_return streamed;
    }
  }
  co_return co_await wait_until_ended();
}

void ServerStream::interim(const Request&, const Response& response) {
  if (!server_.is_congested() && interim_bytes_ <= interim_bytes_max) send_interim(response);
}

void ServerStream::send_interim(const Response& response) {
  if (write_response_fields(response, *arena_, *server_.fields_)) server_.interim(*this);
}

Task<Result<void>> ServerStream::send_content(Response& response) {
  LengthCheck length(response.length);
  for (bool done = false; !done;) {
    Task<Result<Slice>> pending = response.body->pull();
    if (!pending.done()) {  // the head does not wait for content that may be long in coming
      Result<void> submitted = submit(response, true);
      if (!submitted) co_return submitted;
      waits_for_content_ = true;
    }
    Result<Slice> piece = co_await pending;
    waits_for_content_ = false;
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    const Result<bool> last = length.is_last(*piece, *response.body);
    if (!last) co_return std::unexpected(last.error());
    done = *last;
    Result<void> submitted = submit(response, true);
    if (!submitted) co_return submitted;
    Slice rest = *piece;
    do {
      const Slice part = rest.substr(0, piece_max);
      rest.remove_prefix(part.size());
      const Headers* trailers = done ? response.body->trailers() : nullptr;
      end_held_ = end_held_ && !input_ended_ && (trailers == nullptr || trailers->size() == 0);
      const bool ends = done && rest.empty() && !end_held_;
      offer(part, ends, ends ? trailers : nullptr);
      if (ends || piece_.empty()) continue;
      const bool in_time = co_await taken(server_.limits_.write_timeout);
      if (!in_time) co_return too_slow();
    } while (!rest.empty());
  }
  co_return Result<void>{};
}

Task<Result<void>> ServerStream::wait_until_ended() {
  const bool all_taken = co_await taken(server_.limits_.write_timeout);
  if (!all_taken) co_return too_slow();
  if (end_held_) co_return Result<void>{};
  const Monotonic deadline = loop().now() + server_.limits_.write_timeout;
  while (!end_sent_) {
    const bool told = co_await wait(writer_, deadline);
    if (!told && !end_sent_) co_return too_slow();
  }
  co_return Result<void>{};
}

Result<void> ServerStream::too_slow() {
  server_.reset(*this, NGHTTP2_CANCEL);
  return gone("slow_reader");
}

}  // namespace sallyport::http::h2
