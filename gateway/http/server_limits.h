// ServerLimits: what a client's connection is held to, whichever version of HTTP it speaks.
#pragma once

#include <cstdint>

#include "gateway/base/clock.h"
#include "gateway/http/framing.h"

namespace sallyport::http {

struct ServerLimits {
  HeadLimits head;
  Duration header_timeout =
      seconds(10);  // from the first byte of a head to its last; and for a connection's first byte
  Duration idle_timeout = seconds(60);   // between two requests
  Duration body_timeout = seconds(30);   // silence while content is read
  uint64_t body_rate = 0;                // bytes a second that content must come at in the long run; 0: any
  Duration write_timeout = seconds(30);  // for the client to take what is queued
  uint32_t streams = 128;                // HTTP/2: requests of one connection at a time
};

}  // namespace sallyport::http
