// Request ids and trace contexts: 128 random bits each. One generator a worker; not for secrets.
#pragma once

#include <array>
#include <cstdint>

#include "gateway/base/arena.h"

namespace sallyport {

class IdGenerator {
 public:
  IdGenerator();  // seeded by the system
  uint64_t next() noexcept;
  // 32 hex digits in the arena.
  Slice request_id(Arena& arena);
  // A traceparent (W3C Trace Context, version 00): goes on with a valid incoming one, under a new parent id;
  // else starts a new trace.
  Slice traceparent(Slice incoming, Arena& arena);

  // This thread's generator.
  static IdGenerator& here();

 private:
  std::array<uint64_t, 2> state_;
};

}  // namespace sallyport
