#include "plugins/limit/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gateway/base/cidr.h"
#include "gateway/base/text.h"

namespace sallyport {
namespace {

constexpr uint64_t burst_max = 1'000'000'000;
constexpr uint32_t lease_max = 1000;
constexpr int64_t us_in_ns = 1000;

Slice address_of(Exchange& x) {
  IpBytes bytes;
  const Slice caller = caller_of(x.client_ip, bytes);
  return caller.data() == x.client_ip.data() ? caller : x.arena.copy(caller);
}

// A key's client, a token's subject (of its issuer: RFC 7519 section 4.1.2) and an address are three, even
// where they are spelt alike.
Slice client_of(Exchange& x) {
  const Principal* who = x.principal.get();
  if (who == nullptr) return x.arena.concat({"ip\n", address_of(x)});
  return x.arena.concat({who->authenticator, "\n", who->issuer, "\n", who->client});
}

Slice value_of(const LimitBy& by, Exchange& x, std::string_view route) {
  const Principal* who = x.principal.get();
  switch (by.kind) {
    case LimitBy::Kind::client:
      return client_of(x);
    case LimitBy::Kind::ip:
      return address_of(x);
    case LimitBy::Kind::route:
      return route;
    case LimitBy::Kind::header:
      return x.request.headers.get(by.name);
    case LimitBy::Kind::claim: {
      const std::string* claim = who == nullptr ? nullptr : who->claim(by.name);
      return claim == nullptr ? Slice{} : Slice(*claim);
    }
  }
  return {};
}

// As a whole number: the reader has told of anything else.
bool is_written(const config::Reader& reader, std::string_view key) {
  const config::Node* node = reader.node().find(key);
  return node != nullptr && node->kind == config::Node::Kind::integer && !node->text.starts_with('-');
}

}  // namespace

std::optional<LimitBy> LimitBy::parse(std::string_view text) {
  if (text == "client") return LimitBy{Kind::client, ""};
  if (text == "ip") return LimitBy{Kind::ip, ""};
  if (text == "route") return LimitBy{Kind::route, ""};
  if (text.starts_with("header:") && http::is_token(text.substr(7)))
    return LimitBy{Kind::header, std::string(text.substr(7))};
  if (text.starts_with("claim:") && text.size() > 6) return LimitBy{Kind::claim, std::string(text.substr(6))};
  return std::nullopt;
}

void LimitOptions::read_by(config::Reader& reader) {
  const config::Node* node = reader.node().find("by");
  if (node != nullptr && node->is_scalar()) {
    by.resize(1);
    reader.field("by", by.front());
  } else {
    reader.field("by", by);
  }
}

void LimitOptions::check(config::Reader& reader) const {
  for (const std::string& one : by) {
    if (!LimitBy::parse(one)) {
      reader.error_at("by", fmt::format("\"{}\" is none of client, ip, route, header:NAME, claim:NAME",
                                        text::printable(one)));
    }
  }
  if (by.empty() || by.size() > 8) reader.error_at("by", "by: from one to eight things");
  for (size_t i = 0; i < by.size(); ++i) {
    if (std::ranges::find(by.begin(), by.begin() + static_cast<ptrdiff_t>(i), by[i]) !=
        by.begin() + static_cast<ptrdiff_t>(i))
      reader.error_at("by", fmt::format("by: \"{}\" is there twice", text::printable(by[i])));
  }
  const bool from_redis = store != "memory";
  const uint64_t leases = std::min<uint64_t>(lease_max, std::max<uint64_t>(burst_in_force(), 1));
  if (is_written(reader, "burst") && (burst < 1 || burst > burst_max))
    reader.error_at(
        "burst",
        fmt::format("burst must be from 1 to {}; without the key it is what the rate counts", burst_max));
  if (from_redis && is_written(reader, "lease") && (lease < 1 || lease > leases))
    reader.error_at("lease",
                    fmt::format("lease must be from 1 to {}: never more than the burst, nor than {}; "
                                "without the key it is a hundredth of the burst",
                                leases, lease_max));
  if (rate.count > 0) check_rate(reader);
}

// What is computed of a rate and a burst is right, or they are refused: a bucket's times are counted in 64
// bits of nanoseconds, and in Redis in whole microseconds.
void LimitOptions::check_rate(config::Reader& reader) const {
  const int64_t step_ns = rate.per.count() / static_cast<int64_t>(rate.count);
  if (rate.per > std::chrono::hours(24 * 366) || step_ns < 1000)
    return reader.error_at("rate", fmt::format("rate must be from 1/366d to 1000000/1s, and its time 366d at "
                                               "most; {} is {}",
                                               to_string(rate), step_ns < 1000 ? "faster" : "longer"));
  if (const auto most = static_cast<uint64_t>(longest_duration.count() / step_ns); burst_in_force() > most) {
    reader.error_at("burst",
                    fmt::format("burst {} at {} takes more than {} to come back: make the burst {} at "
                                "most, or the rate faster",
                                burst_in_force(), to_string(rate), to_string(longest_duration), most));
    return;
  }
  const int64_t us = bucket(us_in_ns).step;
  const auto told = static_cast<int64_t>(rate.count) * us * us_in_ns;  // how long so many take in Redis
  if (store != "memory" && std::abs(told - rate.per.count()) > rate.per.count() / 100) {
    reader.error_at("rate",
                    fmt::format("a Redis counts in whole microseconds, where {} would be {}/1s: write that, "
                                "or a rate that is a whole number of microseconds a request",
                                to_string(rate), seconds(1) / std::chrono::microseconds(us)));
  }
}

// To the nearest unit; what does not fit is refused above.
Gcra LimitOptions::bucket(int64_t unit) const noexcept {
  const int64_t count = static_cast<int64_t>(rate.count) * unit;
  const int64_t step = std::max<int64_t>((rate.per.count() + count / 2) / count, 1);
  return {step, step * static_cast<int64_t>(burst_in_force())};
}

uint32_t LimitOptions::lease_in_force() const noexcept {
  if (lease != 0) return lease;
  return static_cast<uint32_t>(std::clamp<uint64_t>(burst_in_force() / 100, 1, lease_max));
}

std::optional<LimitRule> LimitRule::read(const std::string& name, Setup& setup) {
  LimitRule rule;
  rule.name = name;
  config::Reader reader(**setup.model.limit(name), setup.problems, "limits." + name, setup.directory);
  reader.value(rule.options);
  const LimitOptions& o = rule.options;
  if (o.store != "memory" && setup.model.store(o.store) == nullptr) {
    reader.error_at("store",
                    fmt::format("there is no store \"{}\"{}", text::printable(o.store),
                                reader.did_you_mean_one(o.store, setup.model.stores.redis, {"memory"})));
  }
  if (o.store == "memory" && o.lease != 0)
    reader.error_at("lease", "lease: only a limit that counts in a Redis has leases");
  if (!reader.whole()) return std::nullopt;
  for (const std::string& one : o.by) {
    rule.by.push_back(*LimitBy::parse(one));
    if (rule.by.back().kind == LimitBy::Kind::claim) setup.claim_names()->add(rule.by.back().name);
  }
  rule.remote = o.store != "memory";
  if (rule.remote) rule.lease = o.lease_in_force();
  rule.ns = o.bucket(1);
  rule.us = o.bucket(us_in_ns);
  const int64_t window_s = std::max<int64_t>(std::chrono::ceil<seconds>(o.rate.per).count(), 1);
  rule.policy = fmt::format("\"{}\";q={};w={}", name, o.rate.count, window_s);
  return rule;
}

Slice LimitRule::key(Exchange& x, std::string_view route) const {
  Slice key = name;
  for (const LimitBy& one : by) {
    const Slice value = value_of(one, x, route);
    const std::array<char, 5> size = {'\0', static_cast<char>(value.size()),
                                      static_cast<char>(value.size() >> 8),
                                      static_cast<char>(value.size() >> 16), static_cast<char>(one.kind)};
    key = x.arena.concat({key,
                          {size.data(), size.size()},
                          value});  // lengths in between: no two lists of values read the same
  }
  return key;
}

}  // namespace sallyport
