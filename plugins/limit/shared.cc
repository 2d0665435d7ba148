#include "plugins/limit/shared.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"

namespace sallyport {
namespace {

// All buckets or none; microseconds by the server's own clock. ARGV: step and most of each key. The first
// number of the reply says whether the request may pass, the others how far ahead each bucket is now. A key
// lives, to the millisecond, until its bucket is full again. One that is further ahead than its rule can make
// it (the clock has stepped back, the rule was a slower one) is used up, and drains from now on.
const store::RedisScript take_script(R"lua(
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local ahead, allowed = {}, 1
for i, key in ipairs(KEYS) do
  local step, most = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = tonumber(redis.call('GET', key) or 0) or 0
  ahead[i] = math.min(math.max(tat - now, 0), most)
  if tat - now > most then
    redis.call('SET', key, string.format('%.0f', now + most), 'PX', math.ceil(most / 1000))
  end
  if ahead[i] + step > most then allowed = 0 end
end
if allowed == 1 then
  for i, key in ipairs(KEYS) do
    ahead[i] = ahead[i] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', key, string.format('%.0f', now + ahead[i]), 'PX', math.ceil(ahead[i] / 1000))
  end
end
table.insert(ahead, 1, allowed)
return ahead
)lua");

constexpr int64_t us = 1000;  // in nanoseconds

}  // namespace

SharedBuckets::SharedBuckets(Loop& loop, const std::vector<LimitRule>& rules, std::string_view route,
                             std::shared_ptr<LeasedStore> store)
    : loop_(loop),
      rules_(rules),
      route_(route),
      store_(std::move(store)),
      leasing_(std::ranges::none_of(rules, [](const LimitRule& r) { return r.remote && r.lease <= 1; })) {}

bool SharedBuckets::spend(Exchange& x, BucketStates& states) {
  if (!leasing_) return false;
  const Monotonic now = loop_.now();
  std::array<Lease*, LimitRule::per_route_max> found{};
  bool all = true;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const LimitRule& rule = rules_[i];
    if (!rule.remote) continue;
    const Slice bucket = rule.key(x, route_);
    Lease* lease = found[i] = store_->leases().find(store_->leases().key_of(bucket), rule.us);
    if (lease != nullptr && lease->wants_more(now)) renew(rule, bucket, *lease);
    all = all && lease != nullptr && lease->good(now);
  }
  if (!all) return false;
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (found[i] == nullptr) continue;
    found[i]->spend(now);
    states[i] = BucketState::of(rules_[i].us, found[i]->ahead_now(now), 0, us, false);
  }
  return true;
}

Task<Result<bool>> SharedBuckets::take(Exchange& x, BucketStates& states) {
  std::vector<std::string> names, arguments;
  std::vector<int64_t> most = {1};
  for (const LimitRule& rule : rules_) {
    if (!rule.remote) continue;
    names.push_back(name_in_redis(rule, rule.key(x, route_)));
    arguments.push_back(std::to_string(rule.us.step));
    arguments.push_back(std::to_string(rule.us.most));
    most.push_back(rule.us.most);
  }
  Result<store::RedisReply> reply =
      co_await store_->redis().eval(take_script, std::move(names), std::move(arguments));
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  if (!is_list_to(*reply, most)) co_return store_->redis().misanswered();
  const bool allowed = reply->items.front().integer == 1;
  size_t next = 1;
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (!rules_[i].remote) continue;
    const Gcra& rule = rules_[i].us;
    const int64_t ahead = reply->items[next++].integer;
    states[i] = BucketState::of(rule, ahead, 0, us, !allowed && !rule.allows(ahead, 0));
  }
  if (allowed) count_asks(x);
  co_return allowed;
}

std::string SharedBuckets::name_in_redis(const LimitRule& rule, Slice bucket) const {
  const crypto::Digest digest = crypto::sha256(bucket);
  return fmt::format("sallyport:limit:{}:{}", rule.name,
                     text::hex({reinterpret_cast<const char*>(digest.data()), digest.size() / 2}));
}

// Whoever asks often gets a lease.
void SharedBuckets::count_asks(Exchange& x) {
  if (!leasing_) return;
  for (const LimitRule& rule : rules_) {
    if (!rule.remote) continue;
    const Slice bucket = rule.key(x, route_);
    Lease& lease = store_->leases().at(store_->leases().key_of(bucket), rule.us, loop_.now());
    if (lease.asked(loop_.now())) renew(rule, bucket, lease);
  }
}

void SharedBuckets::renew(const LimitRule& rule, Slice bucket, const Lease& lease) {
  store_->renew(lease, rule.lease, name_in_redis(rule, bucket));
}

}  // namespace sallyport
