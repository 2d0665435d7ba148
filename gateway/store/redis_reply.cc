#include "gateway/store/redis_reply.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::store {
namespace {

constexpr int depth_max = 8;

// Error replies of a server that does not count for us, however often it is asked: another one may, or this
// one once it is set up otherwise.
constexpr std::array<std::string_view, 12> useless = {"READONLY",  "LOADING", "MASTERDOWN", "CLUSTERDOWN",
                                                      "MOVED",     "ASK",     "NOAUTH",     "NOPERM",
                                                      "WRONGPASS", "OOM",     "MISCONF",    "NOREPLICAS"};

std::string told_of(std::string_view reply) {
  constexpr size_t told_max = 200;
  reply = reply.substr(0, reply.find(", with args beginning with"));
  return std::string(reply.substr(0, told_max));
}

}  // namespace

std::unexpected<Error> down(std::string_view reason, std::string detail) {
  return fail(Code::dependency_down, reason, std::move(detail));
}

// Its first word, or, of a script on servers before 7.0, a word in it.
std::string_view uselessness(std::string_view reply) noexcept {
  for (const std::string_view word : useless) {
    const size_t at = reply.find(word);
    const bool whole = at != std::string_view::npos && reply.substr(at + word.size()).starts_with(' ');
    if (whole && (at == 0 || reply[at - 1] == '-')) return word;
  }
  return {};
}

std::unexpected<Error> refused_login(std::string_view reply) {
  const std::string_view word = reply.substr(0, reply.find(' '));
  const bool known = word == "ERR" || std::ranges::find(useless, word) != useless.end();
  return down("store_error", fmt::format("{}the store does not take the password (AUTH)",
                                         known ? fmt::format("{}: ", word) : std::string()));
}

Result<RedisReply> copy_of(const redisReply& from, int depth) {
  RedisReply out;
  if (depth > depth_max) return down("store_error", "a reply is nested too deep");
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      out.kind = RedisReply::Kind::integer;
      out.integer = from.integer;
      return out;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      out.kind = RedisReply::Kind::text;
      out.text.assign(from.str, static_cast<size_t>(from.len));
      return out;
    case REDIS_REPLY_ERROR:
      return down("store_error", told_of({from.str, static_cast<size_t>(from.len)}));
    case REDIS_REPLY_ARRAY:
      out.kind = RedisReply::Kind::list;
      for (size_t i = 0; i < from.elements; ++i) {
        Result<RedisReply> item = copy_of(*from.element[i], depth + 1);
        if (!item) return item;
        out.items.push_back(std::move(*item));
      }
      return out;
    default:
      return out;
  }
}

}  // namespace sallyport::store
