#include "gateway/http/h2_callbacks.h"

#include <algorithm>
#include <memory>

#include "gateway/http/h2_fields.h"

namespace sallyport::http::h2 {
namespace {

constexpr size_t block_sent_max = 128 * 1024;  // the largest head of HTTP/1.1, as nghttp2 estimates it

struct Freed {
  void operator()(nghttp2_session_callbacks* c) const { nghttp2_session_callbacks_del(c); }
  void operator()(nghttp2_option* o) const { nghttp2_option_del(o); }
};

Slice slice_of(const uint8_t* bytes, size_t length) noexcept {
  return {reinterpret_cast<const char*>(bytes), length};
}

bool is_first(const nghttp2_frame* frame) noexcept {
  return frame->headers.cat == NGHTTP2_HCAT_REQUEST || frame->headers.cat == NGHTTP2_HCAT_RESPONSE;
}

// The peer has done something that makes us reset a stream (as opposed to: we had enough of it).
bool is_peers_fault(uint32_t code) noexcept {
  return code != NGHTTP2_NO_ERROR && code != NGHTTP2_INTERNAL_ERROR && code != NGHTTP2_CANCEL &&
         code != NGHTTP2_REFUSED_STREAM;
}

}  // namespace

Stream* Session::Callbacks::stream(nghttp2_session* session, int32_t id) noexcept {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

int Session::Callbacks::begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
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

int Session::Callbacks::header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
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

int Session::Callbacks::frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Session& me = of(user);
  const nghttp2_frame_hd& hd = frame->hd;
  if (hd.type == NGHTTP2_SETTINGS && (hd.flags & NGHTTP2_FLAG_ACK) == 0) me.settings_arrived();
  if (hd.type == NGHTTP2_SETTINGS && (hd.flags & NGHTTP2_FLAG_ACK) != 0)
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, me.window_of_all_);
  if (hd.type == NGHTTP2_PING && (hd.flags & NGHTTP2_FLAG_ACK) != 0) me.ping_answered();
  if (hd.type == NGHTTP2_GOAWAY) {
    me.leaving_ = true;
    me.leaving_code_ = frame->goaway.error_code;
  }
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

int Session::Callbacks::data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                             size_t length, void* user) {
  if (Stream* s = stream(session, id)) {
    s->arrived(slice_of(bytes, length));
    of(user).note(*s);
    of(user).bound_unread(*s);
  } else {  // nobody reads it any more, but the others need the connection's window
    nghttp2_session_consume_connection(session, length);
  }
  return 0;
}

int Session::Callbacks::stream_closed(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
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

int Session::Callbacks::frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Session& me = of(user);
  const nghttp2_frame_hd& hd = frame->hd;
  if (hd.type == NGHTTP2_RST_STREAM && is_peers_fault(frame->rst_stream.error_code)) {
    const Offence offence = me.guard_.reset_sent(me.stream_.loop().now());
    if (!offence.reason.empty()) me.end(offence.reason, offence.code);
  }
  if (hd.type == NGHTTP2_HEADERS) {
    Stream* s = stream(session, hd.stream_id);
    if (s != nullptr && s->interims_ > 0 && --s->interims_ == 0) s->interim_bytes_ = 0;
  }
  const bool last =
      (hd.type == NGHTTP2_HEADERS || hd.type == NGHTTP2_DATA) && (hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!last) return 0;
  me.guard_.end_sent();
  if (Stream* s = stream(session, hd.stream_id)) {
    s->end_sent_ = true;
    me.note(*s);
  }
  return 0;
}

int Session::Callbacks::frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat != NGHTTP2_HCAT_REQUEST)  // one no client takes
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
  return 0;
}

ssize_t Session::Callbacks::read(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
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

int Session::Callbacks::send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* header,
                                  size_t length, nghttp2_data_source*, void* user) {
  Session& me = of(user);
  Stream& s = *stream(session, frame->hd.stream_id);  // read() was just asked
  me.out_.append(slice_of(header, 9));
  me.out_.append(s.take(length));
  me.guard_.data_sent(length);
  if (s.piece_.empty()) me.note(s);
  return 0;
}

const nghttp2_session_callbacks* Session::Callbacks::all() {
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

const nghttp2_option* Session::Callbacks::options(Role role) {
  static const auto make = [](bool lenient) {
    nghttp2_option* o = nullptr;
    nghttp2_option_new(&o);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_max_send_header_block_length(o, block_sent_max);
    // It ends a client for its resets whatever else that asks for and takes; FrameGuard counts them.
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(o, lenient ? 1 : 0);
    return std::unique_ptr<nghttp2_option, Freed>(o);
  };
  // gRPC's servers send a grpc-message as it is; white space around a value does not go on from here.
  static const auto of_server = make(false), of_client = make(true);
  return role == Role::server ? of_server.get() : of_client.get();
}

}  // namespace sallyport::http::h2
