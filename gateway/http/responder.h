// Responder: where an answer goes; the same for every version of HTTP. Owned by the connection; one worker's
// thread.
#pragma once

#include <cstdint>

#include "gateway/async/task.h"
#include "gateway/base/error.h"
#include "gateway/http/message.h"

namespace sallyport::http {

class Responder {
 public:
  // Sends the head, then the body as fast as the client takes it. Once for each request, or again while
  // !head_sent(). An error means that the client did not get the whole answer, and that the connection is of
  // no more use. client_gone: it left; another code: response.body failed, the client sees the answer cut
  // off.
  virtual Task<Result<void>> respond(const Request& request, Response& response) = 0;

  // Passes an interim response on (1xx but 100 and 101; RFC 9110 section 15.2) before respond(); to a client
  // that cannot take one, or has not taken what came before, nothing.
  virtual void interim(const Request& request, const Response& response) = 0;

  // The client's connection switches protocols with the answer that is sent next: from here on request.body
  // gives what it sends, whatever that is, until its end. For a request with `upgrade`.
  virtual Body& open_tunnel() = 0;

  // HTTP/1.1: the client has ended its sending, and may be gone.
  virtual bool client_ended() const noexcept { return false; }
  // False: nothing of an answer has left yet, so another one may still be sent.
  virtual bool head_sent() const noexcept = 0;
  // Of this exchange: content bytes received and sent so far.
  virtual uint64_t content_received() const noexcept = 0;
  virtual uint64_t content_sent() const noexcept = 0;

 protected:
  ~Responder() = default;
};

}  // namespace sallyport::http
