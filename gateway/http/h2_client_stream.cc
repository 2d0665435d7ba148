#include "gateway/http/h2_client_stream.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "gateway/http/h2_client.h"
#include "gateway/http/header_guard.h"

namespace sallyport::http::h2 {
namespace {

constexpr Duration dead_after = seconds(1);  // without a word, while we wait

}  // namespace

ClientStream::ClientStream(ClientSession& session, Slice scheme) noexcept
    : Stream(session, 0, Code::upstream_bad_answer), client_(session), scheme_(scheme) {
  ++client_.streams_;
  ++client_.held_;
  client_.open_.push_back(*this);
}

ClientStream::~ClientStream() { over(); }

void ClientStream::over() noexcept {
  if (!linked()) return;
  pump_ = Task<>::ready();
  unlink();
  --client_.held_;
  give_up_room();
  if (closed_ || (end_sent_ && input_ended_)) return;
  cancel();
  client_.forget(*this);
  // Whoever gives up early, client or deadline, cannot tell a slow backend from a connection that is dead.
  if (!answered_ && client_.heard_at_ <= sent_at_) client_.probe();
}

// Some backends end a connection over which much is cancelled, with all that is under way on it: before that,
// it gets no more requests.
void ClientStream::cancel() noexcept {
  if (closed_ || id_ <= 0) return;
  client_.reset(*this, NGHTTP2_CANCEL);
  if (!client_.cancels_.spend(loop().now())) client_.retire();
}

// --- the request

Task<Result<void>> ClientStream::send(const Request& request, Slice host, const Timeouts& timeouts,
                                      Arena& arena) {
  arena_ = &arena;
  method_ = request.method;
  keeps_trailers_ = request.gets_trailers();
  timeouts_ = timeouts;
  sent_at_ = loop().now();
  const bool content = !request.length.is_nothing();
  content_untouched_ = content;
  if (client_.ended()) {
    cut_off();
    return Task<Result<void>>::ready(broken());
  }
  if (!write_request_fields(request, scheme_, host, arena, *client_.fields_)) {
    cut_off();
    return Task<Result<void>>::ready(unsafe_header());
  }
  client_.request(*this, content);
  client_.guard_.request_sent();
  if (id_ <= 0) {  // nghttp2 has no id left, or no memory
    id_ = 0;
    client_.retire();
    cut_off();
    return Task<Result<void>>::ready(broken());
  }
  if (!content) return Task<Result<void>>::ready({});
  return send_content(request);
}

// Ends before the content if the answer begins, or must have begun.
Task<Result<void>> ClientStream::send_content(const Request& request) {
  pump_ = pump(request);
  if (!pump_.done()) {
    Task<> answer = answer_begins();
    co_await FirstOf(pump_, answer);
  }
  if (!pump_.done() && !answer_is_here())
    co_return late("upstream_timeout", "the upstream did not answer in time");
  if (!pump_.done()) co_return Result<void>{};
  if (!pumped_ && answer_is_here() && side_of(pumped_.error().code) != Side::client)
    co_return Result<void>{};  // its answer is here, whatever it made of the request
  co_return pumped_;
}

Task<> ClientStream::answer_begins() {
  // The pump has a time limit for each step; a call has one for all of them.
  for (bool in_time = true; in_time && !answer_is_here();)
    in_time = co_await wait(reader_, timeouts_.deadline);
}

Task<> ClientStream::pump(const Request& request) {
  pumped_ = co_await pump_all(request);
  if (!pumped_) cancel();  // half a request is none
}

Task<Result<void>> ClientStream::pump_all(const Request& request) {
  for (bool last = false; !last;) {
    Result<Slice> piece = co_await upload_.pull(loop(), *request.body);
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    content_untouched_ = false;
    if (closed_) co_return broken();
    last = piece->empty() || request.body->remaining() == 0;
    offer(*piece, last, last ? trailers_of(request) : nullptr);
    if (piece_.empty()) continue;
    if (!co_await taken(timeouts_.body))
      co_return late("upstream_write_timeout", "the upstream does not take the request");
  }
  co_return Result<void>{};
}

const Headers* ClientStream::trailers_of(const Request& request) {
  const Headers* all = request.body->trailers();
  if (all == nullptr || request.guard == nullptr) return nullptr;
  for (const Header& h : *all) {
    if (!request.guard->withholds_trailer(h)) request_trailers_.add_checked(h.name, h.value);
  }
  return &request_trailers_;
}

// --- the answer

void ClientStream::field(Slice name, Slice value) {
  if (!head_final_) {
    head_bytes_ += name.size() + value.size();
    return head_.field(name, value, *arena_);
  }
  if (keeps_trailers_) trailers_.field(name, value, *arena_, response_limits);
}

void ClientStream::fields_end(bool ended) {
  answered_ = client_.answers_ = client_.has_answered_ = true;
  if (head_final_ || fault_) return;
  Result<Response> head = head_.finish(method_, ended);
  if (head && head->status < 200) {
    if (auto fits = interims_.add(std::exchange(head_bytes_, 0)); !fits)
      head = std::unexpected(std::move(fits.error()));
  }
  if (!head) {
    fault_ = std::move(head.error());
    client_.reset(*this, NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  head_final_ = head->status >= 200;
  length_ = head->length;
  if (head_final_ && !ended) session_.announced(*this);
  heads_.push_back(std::move(*head));
}

Task<Result<void>> ClientStream::read_response(const Request&, Arena&, Response& response) {
  if (!pump_.done()) {  // behind an interim response the request may go on for long
    Task<> answer = answer_begins();
    co_await FirstOf(pump_, answer);
  }
  if (!pumped_ && side_of(pumped_.error().code) == Side::client) co_return pumped_;
  const Monotonic latest = until(timeouts_.response);
  while (!answer_is_here()) {
    const bool told = co_await wait(reader_, latest);
    if (!told && !answer_is_here()) co_return late("upstream_timeout", "the upstream did not answer in time");
  }
  if (read_ == heads_.size())
    co_return fault_ ? fail(fault_->code, fault_->reason, fault_->detail) : broken();
  response = std::move(heads_[read_++]);
  if (response.status < 200) co_return Result<void>{};
  if (is_event_stream(response)) timeouts_.body = timeouts_.events;
  response.body = pump_.done() ? this : &beside_pump_.begin(*this);
  answering_ = true;
  untouched_since_ = loop().now();  // there may be no content to ask for
  co_return Result<void>{};
}

Task<Result<Slice>> ClientStream::pull() {
  if (gave_way_)
    return Task<Result<Slice>>::ready(
        fail(Code::client_gone, "slow_reader", "the client took too little of it for too long"));
  untouched_since_ = loop().now();
  return Stream::pull();
}

Task<Result<Slice>> ClientStream::wait_for_content() {
  untouched_since_ = Monotonic::max();
  const Monotonic latest = until(timeouts_.body);
  while (arrived_.empty() && !input_ended_) {
    if (closed_) co_return broken();
    const bool told = co_await wait(reader_, latest);
    if (!told && arrived_.empty() && !input_ended_ && !closed_)
      co_return late("body_timeout", "no content came for too long");
  }
  untouched_since_ = loop().now();
  if (arrived_.empty()) co_return end_of_content();
  co_return give_arrived();
}

// forward asks nobody who speaks HTTP/2 for it.
Body& ClientStream::tunnel(Body&, TunnelLimits) { std::unreachable(); }

// --- how it ends

// The session's connection-wide refusal (GOAWAY) closes streams with the same code.
Requester::Refusal ClientStream::refusal() const noexcept {
  if (answered_ || (id_ > 0 && !(closed_ && close_code_ == NGHTTP2_REFUSED_STREAM))) return Refusal::none;
  return id_ <= 0 || client_.is_leaving_in_order() ? Refusal::leaving : Refusal::refused;
}

Standing ClientStream::standing() const noexcept {
  const Monotonic stalled = pump_.done() ? Monotonic::max() : upload_.stalled_since();
  return answering_ ? Standing::of_both(untouched_since_, stalled) : Standing::of_content(stalled);
}

void ClientStream::give_up_answer() noexcept {
  gave_way_ = true;
  untouched_since_ = Monotonic::max();
  drop_arrived();
  over();
}

void ClientStream::cut_off() noexcept {
  closed_ = cut_off_ = true;
  give_up_room();
}

// nghttp2 counts those that it has ever had an id for.
void ClientStream::give_up_room() noexcept {
  if (std::exchange(id_, id_ == 0 ? -1 : id_) == 0) --client_.streams_;
}

std::unexpected<Error> ClientStream::broken() const {
  const Code code = answered_ ? Code::upstream_bad_answer : Code::upstream_unreachable;
  if (close_code_ == NGHTTP2_REFUSED_STREAM)
    return fail(code, "upstream_refused_stream", "the upstream refused the stream");
  if (cut_off_ && !client_.ended_by().empty())
    return fail(
        code, "upstream_closed",
        fmt::format("the upstream's connection was ended for what came over it: {}", client_.ended_by()));
  if (cut_off_) return fail(code, "upstream_closed", "the upstream's connection has ended");
  return fail(Code::upstream_bad_answer, "upstream_reset", "the upstream reset the stream, or we its answer");
}

// A connection over which nothing at all comes may be dead without a word: its other requests are not added
// to. A call's own deadline may be too short to tell (over()).
std::unexpected<Error> ClientStream::late(std::string_view reason, std::string detail) {
  const Monotonic silent_since = std::max(client_.heard_at_, sent_at_);
  const bool is_ours = loop().now() < timeouts_.deadline;
  if (!answered_ && is_ours && loop().now() - silent_since >= dead_after) client_.retire();
  return fail(Code::upstream_timeout, reason, std::move(detail));
}

Monotonic ClientStream::until(Duration silence) const noexcept {
  return std::min(loop().now() + silence, timeouts_.deadline);
}

void ClientStream::wake() {
  const bool more = !arrived_.empty() || input_ended_ || answer_is_here();
  if (reader_ != nullptr && more) reader_->notify();
  if (writer_ != nullptr && (piece_.empty() || end_sent_ || closed_)) writer_->notify();
}

}  // namespace sallyport::http::h2
