// LimitRule: one entry of the config's `limits`, and the key of the bucket that a request takes from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/core/plugin.h"
#include "gateway/core/setup.h"
#include "plugins/limit/gcra.h"

namespace sallyport {

// What a bucket is one of: each client, address, route, value of a header or of a claim.
struct LimitBy {
  enum class Kind : uint8_t { client, ip, route, header, claim };
  Kind kind = Kind::client;
  std::string name;  // of the header or claim

  static std::optional<LimitBy> parse(std::string_view text);
};

enum class StoreFails : uint8_t {
  local,  // the embedded store decides meanwhile
  allow,  // let pass
  deny,   // 503
};
constexpr std::array<std::string_view, 3> enum_names(StoreFails) { return {"local", "allow", "deny"}; }

struct LimitOptions {
  Rate rate;                                 // the steady pace: 100/1m
  uint64_t burst = 0;                        // how many may come at once; 0: as many as the rate counts
  std::vector<std::string> by = {"client"};  // client (the address, if nobody is known), ip (IPv6: the /64),
                                             // route, header:NAME, claim:NAME
  std::string store = "memory";              // or one of `stores`
  StoreFails when_store_fails = StoreFails::local;

  template <class IO>
  void fields(IO& io) {
    io.required("rate", rate);
    if constexpr (std::is_same_v<IO, config::Reader>) {
      io.field("burst", burst);
      read_by(io);
    } else {
      uint64_t in_force = burst != 0 ? burst : rate.count;
      io.field("burst", in_force);
      io.field("by", by);
    }
    io.field("store", store);
    io.field("when_store_fails", when_store_fails);
  }
  void check(config::Reader& reader) const;

 private:
  void read_by(config::Reader& reader);
};

struct LimitRule {
  std::string name;
  LimitOptions options;
  std::vector<LimitBy> by;
  Gcra ns;             // in nanoseconds, for the embedded store
  Gcra us;             // in microseconds, for Redis
  std::string policy;  // its part of RateLimit-Policy

  // The rule of that name; nothing, with problems, if its block is wrong.
  static std::optional<LimitRule> read(const std::string& name, Setup& setup);
  // The text that tells this request's bucket from all others; in x's arena.
  Slice key(Exchange& x, std::string_view route) const;
};

}  // namespace sallyport
