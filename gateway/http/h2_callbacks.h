// Callbacks: what nghttp2 calls while it reads and writes a session's frames. What happens to a stream is
// noted only: nobody is resumed in here (h2_session.h). The session is the last argument, `user`.
#pragma once

#include <nghttp2/nghttp2.h>

#include "gateway/http/h2_session.h"

namespace sallyport::http::h2 {

struct Session::Callbacks {
  static const nghttp2_session_callbacks* all();
  static const nghttp2_option* options(Role role);

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags, void* user);
  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int data(nghttp2_session* session, uint8_t flags, int32_t id, const uint8_t* bytes, size_t length,
                  void* user);
  static int stream_closed(nghttp2_session* session, int32_t id, uint32_t code, void* user);
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int error, void* user);
  // How much of a stream's content goes into the next DATA frame; send_data then puts it there.
  static ssize_t read(nghttp2_session* session, int32_t id, uint8_t* bytes, size_t most, uint32_t* flags,
                      nghttp2_data_source* source, void* user);
  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* header, size_t length,
                       nghttp2_data_source* source, void* user);

 private:
  static Session& of(void* user) noexcept { return *static_cast<Session*>(user); }
  static Stream* stream(nghttp2_session* session, int32_t id) noexcept;
};

}  // namespace sallyport::http::h2
