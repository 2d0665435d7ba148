// Requester: a backend that is asked one request, whatever version of HTTP it speaks.
//
// Owned by the lease of the connection that it goes over; one worker's thread.
#pragma once

#include "gateway/async/task.h"
#include "gateway/base/arena.h"
#include "gateway/http/message.h"
#include "gateway/http/standing.h"
#include "gateway/http/tunnel.h"

namespace sallyport::http {

class Requester {
 public:
  struct Timeouts {
    Duration response;  // from the end of the request to the end of the response's head
    Duration body;      // silence in either direction while content is sent or read
    Duration events = std::chrono::minutes(5);  // the same of a text/event-stream, which is silent by nature
    Monotonic deadline = Monotonic::max();      // for the answer's head, and with HTTP/2 for all of it
  };

  // Whether the backend has said that it has not acted on the request, and will not (RFC 9113 section 8.7):
  // because it ends its connection in order (GOAWAY), or for reasons of its own.
  enum class Refusal : uint8_t { none, leaving, refused };

  // Sends the head and the content, pulled from request.body, until all of it is sent or the backend begins
  // to answer: then the rest goes on beside the answer, until over(). Errors: those of request.body as they
  // are; upstream_unreachable if the backend broke off (then the three below tell whether it may be tried
  // elsewhere); upstream_timeout if it does not take the content.
  virtual Task<Result<void>> send(const Request& request, Slice host, const Timeouts& timeouts,
                                  Arena& arena) = 0;

  // Reads the next response's head into the arena: an interim one (1xx, at most 32) or the final one, whose
  // response.body is then the stream of its content. Errors: upstream_timeout, upstream_bad_answer.
  // 101 is an answer only to a request with `upgrade`, and of that protocol.
  virtual Task<Result<void>> read_response(const Request& request, Arena& arena, Response& response) = 0;
  // After 101: the rest of the connection, until over(). from_client lives as long.
  virtual Body& tunnel(Body& from_client, TunnelLimits limits) = 0;

  virtual Standing standing() const noexcept = 0;
  // Ends an exchange that waits for its client's content: whoever sends it hears of it here and now, as of an
  // error of the client's (request_timeout, slow_sender).
  virtual void give_up_content() = 0;
  // Ends an answer that its client has stopped to take, under an exchange that does not ask for it now: if it
  // ever does, that is client_gone (slow_reader).
  virtual void give_up_answer() noexcept = 0;

  // True if not a byte of an answer has arrived to the present request.
  virtual bool answered_nothing() const noexcept = 0;
  // True if nothing of the present request waits to be sent.
  virtual bool request_sent() const noexcept = 0;
  // True if the request has content, and none of it has been pulled: the backend cannot have acted on it.
  virtual bool content_untouched() const noexcept = 0;
  virtual Refusal refusal() const noexcept = 0;

 protected:
  ~Requester() = default;
};

}  // namespace sallyport::http
