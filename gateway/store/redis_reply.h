// RedisReply: what a Redis server answers, and what its refusals say of it and may say to us.
//
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/error.h"

struct redisReply;  // of hiredis

namespace sallyport::store {

// A reply, copied out of the reader. Errors of Redis come as Error.
struct RedisReply {
  enum class Kind : uint8_t { nil, integer, text, list };
  Kind kind = Kind::nil;
  int64_t integer = 0;
  std::string text;
  std::vector<RedisReply> items;
};

std::unexpected<Error> down(std::string_view reason, std::string detail);

// The error of a refusal holds one short line of it, and never the words of the command, which the server may
// echo.
Result<RedisReply> copy_of(const redisReply& from, int depth = 0);

// Which of the refusals it is that a server gives that does not count for us, however often it is asked;
// empty: none of them.
std::string_view uselessness(std::string_view refusal) noexcept;

// What is told of the refusal of a command that carries a secret: a first word that is known, as all else may
// be what was sent.
std::unexpected<Error> refused_login(std::string_view refusal);

}  // namespace sallyport::store
