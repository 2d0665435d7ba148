#include "gateway/http/h2_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/http/h2_callbacks.h"
#include "gateway/http/h2_fields.h"
#include "gateway/http/h2_memory.h"

namespace sallyport::http::h2 {
namespace {

constexpr size_t gathered_max = 64 * 1024;  // of one write, while there is memory enough
constexpr size_t unread_max = 16 * 1024;    // of a stream, while there is no memory left
constexpr int writes_max = 16;              // in one turn of the loop
constexpr size_t bomb_factor = 4;           // so many times the limit of a header list is no accident
constexpr size_t block_factor = 2;          // a header block as sent may be so much larger than as counted

}  // namespace

Session::Session(net::Stream& stream, Role role, const Limits& limits)
    : stream_(stream),
      guard_(role == Role::server, limits.header_bytes * block_factor, stream.loop().now()),
      quiet_since_(stream.loop().now()),
      heard_at_(quiet_since_),
      fields_(std::make_unique<FieldList>()),
      window_(limits.window),
      window_of_all_(limits.of_all),
      list_bytes_max_(limits.header_bytes * bomb_factor),
      head_timeout_(limits.head_timeout),
      write_timeout_(limits.write_timeout),
      out_(stream.loop().blocks()) {
  const bool serves = role == Role::server;
  nghttp2_mem memory = pooled_memory();
  const auto make = serves ? &nghttp2_session_server_new3 : &nghttp2_session_client_new3;
  make(&session_, Callbacks::all(), this, Callbacks::options(role), &memory);
  const std::array<nghttp2_settings_entry, 4> settings = {
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(limits.window.narrow)},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.header_bytes)},
       {serves ? NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL : NGHTTP2_SETTINGS_ENABLE_PUSH, serves ? 1U : 0U}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  schedule();
}

Session::~Session() { nghttp2_session_del(session_); }

Task<> Session::read() {
  for (;;) {
    feed();
    wake_streams();
    if (streams_ == 0 && stream_.input().empty()) stream_.rest();
    Result<bool> more = co_await stream_.more(silent_until());
    if (!more && more.error().code == Code::timed_out) {
      if (stream_.loop().now() >= silent_until()) end("", NGHTTP2_NO_ERROR);
    } else if (!more || !*more) {
      co_return;
    }
  }
}

Monotonic Session::silent_until() const noexcept {
  return guard_.in_head() ? guard_.head_began() + head_timeout_ : idle_until();
}

bool Session::is_done() const noexcept {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

// Gives nghttp2 what has arrived.
void Session::feed() {
  Buffer& input = stream_.input();
  if (input.empty() || ended_) {
    input.consume(input.size());
    return;
  }
  const Monotonic now = stream_.loop().now();
  quiet_since_ = heard_at_ = now;
  if (const Offence offence = guard_.see(input.readable(), now); !offence.reason.empty()) {
    input.consume(input.size());
    end(offence.reason, offence.code);
    return;
  }
  const Slice bytes = input.readable();
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  input.consume(bytes.size());
  if (taken < 0) end("protocol_error", NGHTTP2_PROTOCOL_ERROR);
  schedule();
}

// What has happened to streams is told to those who wait for it.
void Session::wake_streams() {
  while (Stream::Noted* noted = noted_.pop_front()) tell(noted->stream);
}

void Session::at_turn_end() {
  flush();
  wake_streams();
  turn_ended();
}

// The window that a peer has been given holds also when memory is short by now.
void Session::bound_unread(const Stream& stream) {
  if (stream.arrived_.size() <= unread_max || stream_.loop().blocks().pressure() != Pressure::full) return;
  reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Session::announced(Stream& stream) {
  if (stream.length_.kind == BodyLength::Kind::counted) widen(stream, stream.length_.bytes);
}

// For content of which so much is known. That as much as the window may come counts as long as it may.
void Session::widen(Stream& stream, uint64_t known) {
  if (stream.wide_ || known <= static_cast<uint64_t>(window_.narrow)) return;
  BlockPool& blocks = stream_.loop().blocks();
  if (blocks.pressure() != Pressure::none) return;
  stream.wide_.emplace(blocks, static_cast<size_t>(window_.wide - window_.narrow));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, stream.id_, window_.wide);
}

// What has come is memory by now, and what has been pulled may come again.
void Session::bound_reserved(Stream& stream) const noexcept {
  if (!stream.wide_) return;
  const size_t all = static_cast<size_t>(window_.wide - window_.narrow);
  stream.wide_->set(all - std::min(all, stream.arrived_.size() + stream.given_.size()));
}

// Fills out_ with frames; false if there are none.
bool Session::gather() {
  const uint8_t* bytes = nullptr;
  const BlockPool& blocks = stream_.loop().blocks();
  const size_t most = blocks.pressure() == Pressure::none ? gathered_max : blocks.bytes_at_once();
  while (out_.size() < most) {
    const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
    if (count < 0) end("send_failed", NGHTTP2_INTERNAL_ERROR);
    if (count > 0) out_.append({reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)});
    if (count <= 0) break;
  }
  return !out_.empty();
}

void Session::flush() {
  if (congested_ || unsendable_) return;
  int writes = 0;
  for (; writes < writes_max && gather(); ++writes) {
    Result<void> written = stream_.write(out_.readable());
    out_.release();
    if (!written) {
      unsendable_ = true;
      return;
    }
    if (stream_.queued() == 0) continue;
    congested_ = true;
    room_ = wait_for_room();
    return;
  }
  if (writes == writes_max) schedule();  // the rest is for the next turn
}

Task<> Session::wait_for_room() {
  Result<void> out = co_await stream_.drained(stream_.loop().now() + write_timeout_);
  congested_ = false;
  unsendable_ = !out;
  schedule();
}

void Session::end(std::string_view why, uint32_t code) {
  if (std::exchange(ended_, true)) return;
  ended_by_ = why;
  nghttp2_session_terminate_session(session_, code);
  schedule();
}

// --- for the streams

void Session::resume(const Stream& stream) {
  nghttp2_session_resume_data(session_, stream.id_);
  if (!congested_) gather();
  schedule();
}

void Session::respond(Stream& stream, bool content) {
  nghttp2_data_provider provider{{.ptr = &stream}, &Callbacks::read};
  const int submitted = nghttp2_submit_response(session_, stream.id_, fields_->fields.data(),
                                                fields_->fields.size(), content ? &provider : nullptr);
  if (submitted != 0) reset(stream, NGHTTP2_INTERNAL_ERROR);
  schedule();
}

void Session::request(Stream& stream, bool content) {
  nghttp2_data_provider provider{{.ptr = &stream}, &Callbacks::read};
  stream.id_ = nghttp2_submit_request(session_, nullptr, fields_->fields.data(), fields_->fields.size(),
                                      content ? &provider : nullptr, &stream);
  schedule();
}

void Session::interim(Stream& stream) {
  ++stream.interims_;
  for (const nghttp2_nv& field : fields_->fields) stream.interim_bytes_ += field.namelen + field.valuelen;
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id_, nullptr, fields_->fields.data(),
                         fields_->fields.size(), nullptr);
  schedule();
}

void Session::reset(const Stream& stream, uint32_t code) {
  if (stream.closed_ || stream.id_ <= 0) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, code);
  schedule();
}

void Session::consumed(Stream& stream, size_t bytes) {
  if (bytes == 0) return;
  if (!stream.input_ended_ && !stream.closed_) widen(stream, 2 * stream.pulled_);  // as much may come again
  if (stream.closed_) {
    nghttp2_session_consume_connection(session_, bytes);
  } else {
    nghttp2_session_consume(session_, stream.id_, bytes);
  }
  schedule();
}

// The stream's object dies.
void Session::forget(Stream& stream) noexcept {
  if (reading_ == &stream) reading_ = nullptr;
  if (!stream.closed_ && stream.id_ > 0) nghttp2_session_set_stream_user_data(session_, stream.id_, nullptr);
}

}  // namespace sallyport::http::h2
