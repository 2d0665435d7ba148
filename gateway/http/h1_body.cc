#include "gateway/http/h1_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/http/h1_message.h"

namespace sallyport::http::h1 {
namespace {

constexpr size_t gathered_min = 2048;  // a piece as large as that is worth handing on

}  // namespace

void ReceivedBody::begin(BodyLength length, Duration silence, Pace pace) noexcept {
  length_ = length;
  left_ = length.kind == BodyLength::Kind::counted ? length.bytes : 0;
  state_ = length.is_nothing() ? State::end : State::reading;
  received_ = 0;
  asked_ = true;
  given_at_ = stream_.loop().now();
  silence_ = silence;
  pace_ = pace;
  invitation_ = {};
  if (length.kind == BodyLength::Kind::chunked) chunks_.reset();
}

void ReceivedBody::keep_trailers(Arena& arena, const Headers& head) {
  arena_ = &arena;
  of_one_hop_ = connection_options(head);
  chunks_.tell_trailers();
}

void ReceivedBody::drop_trailers() noexcept {
  if (std::exchange(arena_, nullptr) == nullptr) return;
  of_one_hop_ = {};
  trailers_ = {};
}

std::optional<uint64_t> ReceivedBody::remaining() const noexcept {
  if (state_ == State::end) return 0;
  if (length_.kind == BodyLength::Kind::counted) return left_;
  return std::nullopt;
}

std::unexpected<Error> ReceivedBody::failed(Error error) {
  state_ = State::failed;
  error_ = error;
  return std::unexpected(std::move(error));
}

Task<Result<Slice>> ReceivedBody::pull() {
  if (state_ == State::end) return Task<Result<Slice>>::ready(Slice{});
  if (state_ == State::failed) return Task<Result<Slice>>::ready(std::unexpected(error_));
  Result<Slice> piece = take();
  if (!piece || !piece->empty() || state_ == State::end) return Task<Result<Slice>>::ready(std::move(piece));
  return wait();
}

void ReceivedBody::abandon(Error error) noexcept {
  if (state_ != State::end) static_cast<void>(failed(std::move(error)));
}

Result<Slice> ReceivedBody::take() {
  Result<Slice> piece = length_.kind == BodyLength::Kind::chunked ? take_chunked() : take_counted();
  asked_ = piece && piece->empty() && state_ == State::reading;
  if (!asked_) given_at_ = stream_.loop().now();
  return piece;
}

Result<Slice> ReceivedBody::take_counted() {
  Buffer& input = stream_.input();
  Slice piece = input.readable();
  if (length_.kind == BodyLength::Kind::counted) {
    piece = piece.substr(0, std::min<uint64_t>(left_, piece.size()));
    left_ -= piece.size();
    if (left_ == 0) state_ = State::end;
  }
  input.consume(piece.size());
  received_ += piece.size();
  return piece;
}

// Small chunks become one piece, closed up where they lie: what a byte costs whoever pulls does not depend on
// how its sender has cut it. A fault behind content is told by the next pull.
Result<Slice> ReceivedBody::take_chunked() {
  Buffer& input = stream_.input();
  char* piece = nullptr;
  size_t size = 0;
  while (!input.empty() && size < gathered_min && state_ == State::reading) {
    Result<ChunkedReader::Step> step = chunks_.read(input.readable());
    if (!step) {
      std::unexpected<Error> fault = failed({faults_.malformed, step.error().reason, step.error().detail});
      if (size == 0) return fault;
      break;
    }
    if (step->consumed == 0 && !step->finished) break;
    if (!step->content.empty()) {
      char* const content = input.data() + (step->content.data() - input.readable().data());
      if (piece == nullptr) piece = content;
      if (piece + size != content) std::memmove(piece + size, content, step->content.size());
      size += step->content.size();
      received_ += step->content.size();
    }
    input.consume(step->consumed);
    if (!step->trailer.empty()) keep_trailer(step->trailer);
    if (trailers_.too_large()) {
      std::unexpected<Error> fault =
          failed({faults_.malformed, "trailers_too_large", "the trailers are too large"});
      if (size == 0) return fault;
    } else if (step->finished) {
      state_ = State::end;
    }
  }
  return Slice(piece, size);
}

void ReceivedBody::keep_trailer(Slice line) {
  const size_t colon = line.find(':');  // there is one
  const Slice name = line.substr(0, colon);
  if (of_one_hop_.names(name)) return;
  trailers_.field(name, text::trim(line.substr(colon + 1)), *arena_, response_limits);
}

Task<Result<Slice>> ReceivedBody::wait() {
  if (!invitation_.empty()) {
    const Slice invitation = std::exchange(invitation_, Slice{});
    if (Result<void> sent = stream_.write(invitation); !sent) {
      co_return failed({faults_.broken, sent.error().reason, std::move(sent.error().detail)});
    }
  }
  for (;;) {
    const Monotonic since = stream_.loop().now();
    Result<bool> more = co_await stream_.more(since + silence_);
    pace_.waited(stream_.loop().now() - since);
    if (!more) {
      const bool late = more.error().code == Code::timed_out;
      co_return failed({late ? faults_.timed_out : faults_.broken,
                        late ? "body_timeout" : more.error().reason,
                        late ? "no content came for too long" : std::move(more.error().detail)});
    }
    Result<Slice> piece = take();
    if (piece && state_ != State::end && pace_.too_slow(received_))
      co_return failed({faults_.timed_out, "body_too_slow", "the content came too slowly"});
    if (!piece || !piece->empty() || state_ == State::end) co_return piece;
    if (!*more) {
      // TLS without close_notify may have been cut by anybody (RFC 9112 section 9.8).
      if (length_.kind == BodyLength::Kind::until_close && !stream_.truncated()) {
        state_ = State::end;
        given_at_ = stream_.loop().now();
        co_return Slice{};
      }
      co_return failed(
          {faults_.broken, "ended_in_body", "the connection ended in the middle of the content"});
    }
  }
}

Result<void> write_content(net::Stream& to, BodyLength::Kind framing, Slice head, Slice piece, bool last,
                           bool close, Slice end) {
  const auto write = [&](std::span<const Slice> pieces) {
    return close ? to.write_last(pieces) : to.write(pieces);
  };
  if (framing != BodyLength::Kind::chunked) return write(std::array<Slice, 2>{head, piece});
  std::array<char, 20> line;
  Slice size;
  if (!piece.empty()) {
    char* behind = fmt::format_to(line.data(), "{:x}\r\n", piece.size());
    size = {line.data(), static_cast<size_t>(behind - line.data())};
  }
  const std::array<Slice, 5> pieces = {head, size, piece, piece.empty() ? "" : "\r\n", last ? end : Slice{}};
  return write(pieces);
}

}  // namespace sallyport::http::h1
