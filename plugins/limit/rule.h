// LimitRule: one entry of the config's `limits`, and the key of the bucket that a request takes from.
#pragma once

#include <algorithm>
#include <array>
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
  uint64_t burst = 0;                        // how many may come at once; absent: as many as the rate counts
  std::vector<std::string> by = {"client"};  // client (the address, if nobody is known), ip (IPv6: the /64),
                                             // route, header:NAME, claim:NAME
  std::string store = "memory";              // or one of `stores`
  uint32_t lease = 0;  // of a Redis: how many requests a worker takes at once for a caller in a hurry;
                       // absent: a hundredth of the burst, 1000 at most; 1: each request asks
  StoreFails when_store_fails = StoreFails::local;

  template <class IO>
  void fields(IO& io) {
    io.required("rate", rate);
    if constexpr (std::is_same_v<IO, config::Reader>) {
      io.field("burst", burst);
      io.field("lease", lease);
      read_by(io);
    } else {
      uint64_t bursts = burst_in_force();
      uint32_t leases = lease_in_force();
      io.field("burst", bursts);
      io.field("by", by);
      if (store != "memory") io.field("lease", leases);
    }
    io.field("store", store);
    io.field("when_store_fails", when_store_fails);
  }
  void check(config::Reader& reader) const;
  // Of this rate and burst, in units of so many nanoseconds.
  Gcra bucket(int64_t unit) const noexcept;
  uint64_t burst_in_force() const noexcept { return burst != 0 ? burst : rate.count; }
  uint32_t lease_in_force() const noexcept;

 private:
  void read_by(config::Reader& reader);
  void check_rate(config::Reader& reader) const;
};

// What is known of a bucket after a decision.
struct BucketState {
  bool known = false;  // its store was asked, and has answered
  bool refuses = false;
  int64_t remaining = 0;
  int64_t wait_ns = 0;   // until it would allow a request
  int64_t reset_ns = 0;  // until it is full

  // unit: of the rule's and the bucket's times, in nanoseconds.
  static BucketState of(const Gcra& rule, int64_t tat, int64_t now, int64_t unit, bool refuses) noexcept {
    return {true, refuses, std::max<int64_t>(rule.remaining(tat, now), 0), rule.wait(tat, now) * unit,
            std::max<int64_t>(tat - now, 0) * unit};
  }
};

struct LimitRule {
  static constexpr size_t per_route_max = 8;

  std::string name;
  LimitOptions options;
  std::vector<LimitBy> by;
  Gcra ns;              // in nanoseconds, for the embedded store
  Gcra us;              // in microseconds, for Redis
  std::string policy;   // its part of RateLimit-Policy
  bool remote = false;  // in a Redis
  uint32_t lease = 1;   // how many requests a worker may take from there at once

  // The rule of that name, which is there; nothing, with problems, if its block is wrong.
  static std::optional<LimitRule> read(const std::string& name, Setup& setup);
  // The text that tells this request's bucket from all others; in x's arena.
  Slice key(Exchange& x, std::string_view route) const;
};

using BucketStates = std::array<BucketState, LimitRule::per_route_max>;

}  // namespace sallyport
