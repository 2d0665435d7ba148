#include "plugins/limit/leased_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "gateway/async/timer.h"

namespace sallyport {
namespace {

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

bool is_integer_to(const store::RedisReply& item, int64_t most) noexcept {
  return item.kind == store::RedisReply::Kind::integer && item.integer >= 0 && item.integer <= most;
}

}  // namespace

bool is_list_to(const store::RedisReply& reply, const std::vector<int64_t>& most) {
  return reply.kind == store::RedisReply::Kind::list && std::ranges::equal(reply.items, most, is_integer_to);
}

// A lease may lose its place while somebody works on it, and the rule's route may be gone.
struct LeasedStore::What {
  SipTag key;
  Gcra rule;
  uint32_t most;
  std::string name;
};

// Marks a lease for as long as a task works on it, also if the task is cancelled.
class LeasedStore::Marked {
 public:
  Marked(Leases& leases, const What& what, bool Lease::* mark)
      : leases_(leases), key_(what.key), rule_(what.rule), mark_(mark) {
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

void LeasedStore::renew(const Lease& lease, uint32_t most, std::string name) {
  What what{lease.key, lease.rule, most, std::move(name)};
  renewals_.start(lease.kept ? ask_for_more(std::move(what)) : keep(std::move(what)));
}

// From a lease's first request to its end: whatever is not spent goes back when its time is over, and less is
// taken.
Task<> LeasedStore::keep(What what) {
  const Marked kept(leases_, what, &Lease::kept);
  co_await ask_for_more(what);
  for (Lease* lease = kept.lease(); lease != nullptr && lease->size > 0; lease = kept.lease()) {
    const Duration patience = std::max<Duration>(lease->until - loop_.now(), Lease::life / 10);
    co_await sleep(loop_, patience);
    lease = kept.lease();
    if (lease != nullptr && !lease->asking && loop_.now() >= lease->until) co_await ask_for_more(what);
  }
}

Task<> LeasedStore::ask_for_more(What what) {
  const Marked asking(leases_, what, &Lease::asking);
  Lease* lease = asking.lease();
  const Monotonic now = loop_.now();
  const uint32_t next = lease->next_size(now, what.most);
  const uint32_t back = lease->hand_in(now);
  const uint32_t want = next - std::min(next, lease->left);
  if (want == 0 && back == 0) {
    lease->size = next;
    co_return;
  }
  std::vector<std::string> names = {what.name};
  std::vector<std::string> arguments = {std::to_string(what.rule.step), std::to_string(what.rule.most),
                                        std::to_string(want), std::to_string(back)};
  Result<store::RedisReply> reply =
      co_await redis_->eval(lease_script, std::move(names), std::move(arguments));
  if (reply && !is_list_to(*reply, {want, what.rule.most})) reply = redis_->misanswered();
  lease = asking.lease();
  if (lease == nullptr) co_return;
  if (!reply) {
    lease->size = lease->left;  // without one, the next requests ask, and meet what the config chose
    co_return;
  }
  lease->granted(static_cast<uint32_t>(reply->items[0].integer), reply->items[1].integer, now);
}

}  // namespace sallyport
