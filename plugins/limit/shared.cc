#include "plugins/limit/shared.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/async/timer.h"
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

// One bucket. ARGV: step, most, how many requests are wanted, how many of a former lease come back. Gives
// how many were taken (as many as there are) and how far ahead the bucket is then.
const store::RedisScript lease_script(R"lua(
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local step, most, want, back = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tat = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
local ahead = math.min(math.max(tat - now - back * step, 0), most)
local taken = math.min(want, math.floor((most - ahead) / step))
ahead = ahead + taken * step
if ahead > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
else
  redis.call('DEL', KEYS[1])
end
return {taken, ahead}
)lua");

constexpr int64_t us = 1000;  // in nanoseconds

bool is_integer_to(const store::RedisReply& item, int64_t most) noexcept {
  return item.kind == store::RedisReply::Kind::integer && item.integer >= 0 && item.integer <= most;
}

// A list of whole numbers from 0, as the scripts give it: the first and each other to its own most.
bool is_list_to(const store::RedisReply& reply, const std::vector<int64_t>& most) {
  return reply.kind == store::RedisReply::Kind::list && std::ranges::equal(reply.items, most, is_integer_to);
}

}  // namespace

// Marks a lease for as long as a task works on it, also if the task is cancelled. The lease may lose its
// place meanwhile.
class SharedBuckets::Marked {
 public:
  Marked(Leases& leases, const SipTag& key, const Gcra& rule, bool Lease::* mark)
      : leases_(leases), key_(key), rule_(rule), mark_(mark) {
    set(true);
  }
  Marked(const Marked&) = delete;
  ~Marked() { set(false); }
  Lease* lease() const noexcept { return leases_.find(key_, rule_); }

 private:
  void set(bool on) const noexcept {
    if (Lease* there = lease()) there->*mark_ = on;
  }
  Leases& leases_;
  SipTag key_;
  Gcra rule_;
  bool Lease::* mark_;
};

SharedBuckets::SharedBuckets(Loop& loop, const std::vector<LimitRule>& rules, std::string_view route,
                             std::shared_ptr<store::RedisClient> redis, std::shared_ptr<Leases> leases)
    : loop_(loop),
      rules_(rules),
      route_(route),
      redis_(std::move(redis)),
      leases_(std::move(leases)),
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
    Lease* lease = found[i] = leases_->find(leases_->key_of(bucket), rule.us);
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
      co_await redis_->eval(take_script, std::move(names), std::move(arguments));
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  if (!is_list_to(*reply, most)) co_return redis_->misanswered();
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
    Lease& lease = leases_->at(leases_->key_of(bucket), rule.us, loop_.now());
    if (lease.asked(loop_.now())) renew(rule, bucket, lease);
  }
}

void SharedBuckets::renew(const LimitRule& rule, Slice bucket, Lease& lease) {
  std::string name = name_in_redis(rule, bucket);
  renewals_.start(lease.kept ? ask_for_more(rule, std::move(name), lease.key)
                             : keep(rule, std::move(name), lease.key));
}

// From a lease's first request to its end: whatever is not spent goes back when its time is over, and less is
// taken.
Task<> SharedBuckets::keep(const LimitRule& rule, std::string name, SipTag key) {
  const Marked kept(*leases_, key, rule.us, &Lease::kept);
  co_await ask_for_more(rule, name, key);
  for (Lease* lease = kept.lease(); lease != nullptr && lease->size > 0; lease = kept.lease()) {
    const Duration patience = std::max<Duration>(lease->until - loop_.now(), Lease::life / 10);
    co_await sleep(loop_, patience);
    lease = kept.lease();
    if (lease != nullptr && !lease->asking && loop_.now() >= lease->until)
      co_await ask_for_more(rule, name, key);
  }
}

Task<> SharedBuckets::ask_for_more(const LimitRule& rule, std::string name, SipTag key) {
  const Marked asking(*leases_, key, rule.us, &Lease::asking);
  Lease* lease = asking.lease();
  const Monotonic now = loop_.now();
  const uint32_t next = lease->next_size(now, rule.lease);
  const uint32_t back = lease->hand_in(now);
  const uint32_t want = next - std::min(next, lease->left);
  if (want == 0 && back == 0) {
    lease->size = next;
    co_return;
  }
  std::vector<std::string> names = {std::move(name)};
  std::vector<std::string> arguments = {std::to_string(rule.us.step), std::to_string(rule.us.most),
                                        std::to_string(want), std::to_string(back)};
  Result<store::RedisReply> reply =
      co_await redis_->eval(lease_script, std::move(names), std::move(arguments));
  if (reply && !is_list_to(*reply, {want, rule.us.most})) reply = redis_->misanswered();
  lease = asking.lease();
  if (lease == nullptr) co_return;
  if (!reply) {
    lease->size = lease->left;  // without one, the next requests ask, and meet what the config chose
    co_return;
  }
  lease->granted(static_cast<uint32_t>(reply->items[0].integer), reply->items[1].integer, now);
}

}  // namespace sallyport
