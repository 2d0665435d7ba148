#include "gateway/http/h2_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/http/h2_fields.h"
#include "gateway/http/h2_memory.h"

namespace sallyport::http::h2 {
namespace {

constexpr size_t gathered_max = 64 * 1024;     // of one write, while there is memory enough
constexpr size_t unread_max = 16 * 1024;       // of a stream, while there is no memory left
constexpr int writes_max = 16;                 // in one turn of the loop
constexpr size_t bomb_factor = 4;              // so many times the limit of a header list is no accident
constexpr size_t block_factor = 2;             // a header block as sent may be so much larger than as counted
constexpr size_t block_sent_max = 128 * 1024;  // the largest head of HTTP/1.1, as nghttp2 estimates it

struct Freed {
  void operator()(nghttp2_session_callbacks* c) const { nghttp2_session_callbacks_del(c); }
  void operator()(nghttp2_option* o) const { nghttp2_option_del(o); }
};

Slice slice_of(const uint8_t* bytes, size_t length) noexcept {
  return {reinterpret_cast<const char*>(bytes), length};
}

// The peer has done something that makes us reset a stream (as opposed to: we had enough of it).
bool is_peers_fault(uint32_t code) noexcept {
  return code != NGHTTP2_NO_ERROR && code != NGHTTP2_INTERNAL_ERROR && code != NGHTTP2_CANCEL &&
         code != NGHTTP2_REFUSED_STREAM;
}

}  // namespace

struct Session::Callbacks {
  static Session& of(void* user) noexcept { return *static_cast<Session*>(user); }
  static Stream* stream(nghttp2_session* session, int32_t id) noexcept {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static bool is_first(const nghttp2_frame* frame) noexcept {
    return frame->headers.cat == NGHTTP2_HCAT_REQUEST || frame->headers.cat == NGHTTP2_HCAT_RESPONSE;
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = of(user);
    me.list_bytes_ = 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      me.reading_ = me.begin(frame->hd.stream_id);
      nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, me.reading_);
      ++me.streams_;
      if (me.reading_ == nullptr)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    } else {
      me.reading_ = stream(session, frame->hd.stream_id);
    }
    if (is_first(frame)) me.guard_.request_moved_on();
    return 0;
  }
  static int header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Session& me = of(user);
    me.list_bytes_ += name_size + value_size + field_overhead;
    if (me.list_bytes_ > me.list_bytes_max_) {  // of the nobody's, too
      me.end("header_bomb", NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (me.reading_ != nullptr) me.reading_->field(slice_of(name, name_size), slice_of(value, value_size));
    return 0;
  }
  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = of(user);
    const nghttp2_frame_hd& hd = frame->hd;
    if (hd.type == NGHTTP2_SETTINGS && (hd.flags & NGHTTP2_FLAG_ACK) == 0) me.settings_arrived();
    if (hd.type == NGHTTP2_SETTINGS && (hd.flags & NGHTTP2_FLAG_ACK) != 0)
      nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, me.window_of_all_);
    if (hd.type == NGHTTP2_PING && (hd.flags & NGHTTP2_FLAG_ACK) != 0) me.ping_answered();
    if (hd.type == NGHTTP2_GOAWAY) me.leaving_ = true;
    Stream* s = stream(session, hd.stream_id);
    const bool head = hd.type == NGHTTP2_HEADERS;
    if (s == nullptr || (!head && hd.type != NGHTTP2_DATA)) return 0;
    const bool ended = (hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    // Read here and now: what else has come with it says nothing of the head.
    if (head) s->fields_end(ended);
    if (head && ended && !is_first(frame)) me.guard_.request_moved_on();
    s->input_ended_ = s->input_ended_ || ended;
    me.note(*s);
    return 0;
  }
  static int data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t length,
                  void* user) {
    if (Stream* s = stream(session, id)) {
      s->arrived(slice_of(bytes, length));
      of(user).note(*s);
      of(user).bound_unread(*s);
    } else {  // nobody reads it any more, but the others need the connection's window
      nghttp2_session_consume_connection(session, length);
    }
    return 0;
  }
  static int stream_closed(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
    Session& me = of(user);
    if (me.streams_ > 0) --me.streams_;
    me.quiet_since_ = me.stream_.loop().now();
    if (Stream* s = stream(session, id)) {
      s->closed_ = true;
      s->close_code_ = code;
      me.note(*s);
    }
    me.schedule();
    return 0;
  }
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = of(user);
    const nghttp2_frame_hd& hd = frame->hd;
    if (hd.type == NGHTTP2_RST_STREAM && is_peers_fault(frame->rst_stream.error_code)) {
      const Offence offence = me.guard_.reset_sent(me.stream_.loop().now());
      if (!offence.reason.empty()) me.end(offence.reason, offence.code);
    }
    const bool last =
        (hd.type == NGHTTP2_HEADERS || hd.type == NGHTTP2_DATA) && (hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!last) return 0;
    if (Stream* s = stream(session, hd.stream_id)) {
      s->end_sent_ = true;
      me.note(*s);
    }
    return 0;
  }
  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
    if (frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)  // one no client takes
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    return 0;
  }
  // How much of a stream's content goes into the next DATA frame; send_data then puts it there.
  static ssize_t read(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    Stream* s = stream(session, id);
    if (s == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // its work was given up
    if (s->piece_.empty() && !s->last_) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->last_ && s->piece_.size() <= most) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      FieldList& fields = *of(user).fields_;
      if (s->trailers_out_ != nullptr && write_trailer_fields(*s->trailers_out_, fields)) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, id, fields.fields.data(), fields.fields.size());
      }
    }
    return static_cast<ssize_t>(std::min(most, s->piece_.size()));
  }
  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* header, size_t length,
                       nghttp2_data_source*, void* user) {
    Session& me = of(user);
    Stream& s = *stream(session, frame->hd.stream_id);  // read() was just asked
    me.out_.append(slice_of(header, 9));
    me.out_.append(s.take(length));
    me.guard_.data_sent();
    if (s.piece_.empty()) me.note(s);
    return 0;
  }

  static const nghttp2_session_callbacks* all() {
    static const auto made = [] {
      nghttp2_session_callbacks* c = nullptr;
      nghttp2_session_callbacks_new(&c);
      nghttp2_session_callbacks_set_on_begin_headers_callback(c, &begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(c, &header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(c, &frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, &data);
      nghttp2_session_callbacks_set_on_stream_close_callback(c, &stream_closed);
      nghttp2_session_callbacks_set_on_frame_send_callback(c, &frame_sent);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(c, &frame_not_sent);
      nghttp2_session_callbacks_set_send_data_callback(c, &send_data);
      return std::unique_ptr<nghttp2_session_callbacks, Freed>(c);
    }();
    return made.get();
  }
  static const nghttp2_option* options(Role role) {
    static const auto make = [](bool lenient) {
      nghttp2_option* o = nullptr;
      nghttp2_option_new(&o);
      nghttp2_option_set_no_auto_window_update(o, 1);
      nghttp2_option_set_max_send_header_block_length(o, block_sent_max);
      nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(o, lenient ? 1 : 0);
      return std::unique_ptr<nghttp2_option, Freed>(o);
    };
    // gRPC's servers send a grpc-message as it is; white space around a value does not go on from here.
    static const auto of_server = make(false), of_client = make(true);
    return role == Role::server ? of_server.get() : of_client.get();
  }
};

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
    if (count > 0) out_.append(slice_of(bytes, static_cast<size_t>(count)));
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

void Session::interim(const Stream& stream) {
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
