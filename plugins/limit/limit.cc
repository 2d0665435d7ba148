#include "plugins/limit/limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/config/show.h"
#include "gateway/crypto/hash.h"
#include "gateway/store/stores.h"
#include "plugins/limit/rule.h"
#include "plugins/limit/table.h"

namespace sallyport {
namespace {

// All buckets or none; microseconds by the server's own clock. ARGV: step and most of each key. The first
// number of the reply says whether the request may pass, the others how far ahead each bucket is now. A key
// lives, to the millisecond, until its bucket is full again.
const std::string script = R"lua(
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local ahead, allowed = {}, 1
for i, key in ipairs(KEYS) do
  local step, most = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = tonumber(redis.call('GET', key) or 0) or 0
  ahead[i] = math.min(math.max(tat - now, 0), most)
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
)lua";

struct UseOptions {
  config::Mode mode = config::Mode::enforce;
  std::vector<std::string> use;  // names of `limits`; all must allow a request

  bool shorthand(config::Reader& reader) {
    reader.value(use);
    return true;
  }
  template <class IO>
  void fields(IO& io) {
    io.field("mode", mode);
    io.required("use", use);
  }
};

class Limit final : public Policy {
 public:
  Limit(Setup& setup, config::Mode mode, std::vector<LimitRule> rules, std::shared_ptr<LimitTable> table,
        std::shared_ptr<store::RedisClient> redis)
      : Policy(setup, "limit", mode),
        route_(setup.route),
        rules_(std::move(rules)),
        table_(std::move(table)),
        redis_(std::move(redis)) {
    for (const LimitRule& rule : rules_) {
      policies_ += (policies_.empty() ? "" : ", ") + rule.policy;
      remote_ = remote_ || rule.options.store != "memory";
    }
  }

  Task<Decision> decide(Exchange& x) override {
    if (remote_) return decide_with_redis(x);
    States states;
    return Task<Decision>::ready(answer(x, take_local(x, states, false), states));
  }

 private:
  static constexpr size_t rules_max = 8;
  // What is known of a rule's bucket after the decision.
  struct State {
    bool refuses = false;
    int64_t remaining = 0;
    int64_t wait_ns = 0;   // until it would allow a request
    int64_t reset_ns = 0;  // until it is full
  };
  using States = std::array<State, rules_max>;
  friend std::unique_ptr<Plugin> make_limit(config::Reader&, Setup&);

  static bool is_remote(const LimitRule& rule) noexcept { return rule.options.store != "memory"; }
  static void note(State& state, const Gcra& rule, int64_t tat, int64_t now, int64_t unit,
                   bool refuses) noexcept {
    state.refuses = refuses;
    state.remaining = rule.remaining(tat, now);
    state.wait_ns = rule.wait(tat, now) * unit;
    state.reset_ns = std::max<int64_t>(tat - now, 0) * unit;
  }

  // Takes from every bucket of the embedded store, or from none. all: those that belong to Redis as well,
  // which is not there.
  bool take_local(Exchange& x, States& states, bool all) {
    const int64_t now = x.loop.now().time_since_epoch().count();
    std::array<uint64_t, rules_max> keys{};
    bool allowed = true;
    size_t taken = 0;
    for (; taken < rules_.size() && allowed; ++taken) {
      const LimitRule& rule = rules_[taken];
      if (is_remote(rule) && !all) continue;
      if (is_remote(rule) && rule.options.when_store_fails != StoreFails::local) continue;
      keys[taken] = table_->hash(rule.key(x, route_));
      const LimitTable::Taken result = table_->take(keys[taken], rule.ns, now);
      allowed = result.allowed;
      note(states[taken], rule.ns, result.tat, now, 1, !allowed);
    }
    if (allowed) return true;
    for (size_t i = 0; i + 1 < taken; ++i) {
      if (keys[i] != 0) table_->give_back(keys[i], rules_[i].ns);
    }
    return false;
  }

  void give_back_local(Exchange& x) {
    for (const LimitRule& rule : rules_) {
      if (!is_remote(rule)) table_->give_back(table_->hash(rule.key(x, route_)), rule.ns);
    }
  }

  Task<Decision> decide_with_redis(Exchange& x) {
    States states;
    if (!take_local(x, states, false)) co_return answer(x, false, states);
    Result<store::RedisReply> reply = co_await ask(x);
    if (!reply || reply->items.empty()) {
      give_back_local(x);
      co_return without_store(x);
    }
    const bool allowed = reply->items.front().integer == 1;
    read_reply(*reply, states, allowed);
    if (!allowed) give_back_local(x);
    co_return answer(x, allowed, states);
  }

  Task<Result<store::RedisReply>> ask(Exchange& x) {
    std::vector<std::string> keys, arguments;
    for (const LimitRule& rule : rules_) {
      if (!is_remote(rule)) continue;
      const crypto::Digest digest = crypto::sha256(rule.key(x, route_));
      keys.push_back(
          fmt::format("sallyport:limit:{}:{}", rule.name,
                      text::hex({reinterpret_cast<const char*>(digest.data()), digest.size() / 2})));
      arguments.push_back(std::to_string(rule.us.step));
      arguments.push_back(std::to_string(rule.us.most));
    }
    return redis_->eval(script, std::move(keys), std::move(arguments));
  }

  void read_reply(const store::RedisReply& reply, States& states, bool allowed) const {
    size_t next = 1;
    for (size_t i = 0; i < rules_.size() && next < reply.items.size(); ++i) {
      if (!is_remote(rules_[i])) continue;
      const int64_t ahead = reply.items[next++].integer;
      note(states[i], rules_[i].us, ahead, 0, 1000, !allowed && !rules_[i].us.allows(ahead, 0));
    }
  }

  // Redis is not there: what the config chose. That is never the client's fault, and so never 429 but by the
  // embedded store.
  Decision without_store(Exchange& x) {
    for (const LimitRule& rule : rules_) {
      if (!is_remote(rule) || rule.options.when_store_fails != StoreFails::deny) continue;
      Decision refusal =
          refuse(Code::dependency_down, "store_unavailable", "the store of the limits is not there");
      refusal->headers.emplace_back("Retry-After", "1");
      return refusal;
    }
    States states;
    return answer(x, take_local(x, states, true), states);
  }

  // RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10) on every answer; Retry-After on
  // a refusal.
  Decision answer(Exchange& x, bool allowed, const States& states) const {
    std::array<char, 512> text;
    char* end = text.data();
    int64_t wait_ns = 0;
    for (size_t i = 0; i < rules_.size(); ++i) {
      const State& s = states[i];
      if (s.refuses) wait_ns = std::max(wait_ns, s.wait_ns);
      const int64_t reset_s = std::chrono::ceil<seconds>(Duration(s.reset_ns)).count();
      const auto left = static_cast<size_t>(text.data() + text.size() - end);
      end = fmt::format_to_n(end, left, "{}\"{}\";r={};t={}", i == 0 ? "" : ", ", rules_[i].name, s.remaining,
                             reset_s)
                .out;
    }
    x.add_answer_header("RateLimit-Policy", policies_);
    x.add_answer_header("RateLimit", {text.data(), static_cast<size_t>(end - text.data())});
    if (allowed) return pass();
    const int64_t wait_s = std::max<int64_t>(std::chrono::ceil<seconds>(Duration(wait_ns)).count(), 1);
    Decision refusal = refuse(Code::over_limit, "over_limit",
                              fmt::format("too many requests; the next one is welcome in {} s", wait_s));
    refusal->headers.emplace_back("Retry-After", std::to_string(wait_s));
    return refusal;
  }

  std::string route_;
  std::vector<LimitRule> rules_;
  std::string policies_;
  bool remote_ = false;
  std::shared_ptr<LimitTable> table_;
  std::shared_ptr<store::RedisClient> redis_;
};

std::shared_ptr<store::RedisClient> client_for(const std::string& name, Setup& setup) {
  const config::Store& block = *setup.model.store(name);
  auto options = store::redis_options(name, block);
  if (!options) {
    setup.problems.add(block.mark, options.error().detail);
    return nullptr;
  }
  if (setup.checking()) return nullptr;
  return setup.worker.get<store::RedisClient>(fmt::format("store.{}\n{}", name, config::yaml_of(block)), [&] {
    return std::make_shared<store::RedisClient>(*setup.loop, setup.metrics, std::move(*options));
  });
}

std::optional<LimitRule> named_rule(const std::string& name, config::Reader& reader, Setup& setup) {
  if (setup.model.limit(name) != nullptr) return LimitRule::read(name, setup);
  std::vector<std::string> known;
  for (const auto& [other, unused] : setup.model.limits) known.push_back(other);
  const auto near = text::nearest(name, known);
  reader.error(fmt::format("there is no limit \"{}\"{}", text::printable(name),
                           near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  return std::nullopt;
}

std::unique_ptr<Plugin> make_limit(config::Reader& reader, Setup& setup) {
  UseOptions options;
  reader.value(options);
  if (options.use.size() > Limit::rules_max) reader.error("a route can have eight limits at most");
  std::vector<LimitRule> rules;
  std::string remote;
  for (const std::string& name : options.use) {
    auto rule = named_rule(name, reader, setup);
    if (!rule) continue;
    const std::string& store = rule->options.store;
    if (store != "memory" && !remote.empty() && store != remote) {
      reader.error(
          "the limits of one route can use one Redis store, not several: one script decides over all of "
          "them");
    }
    if (store != "memory") remote = store;
    rules.push_back(std::move(*rule));
  }
  if (rules.empty() || rules.size() > Limit::rules_max || options.mode == config::Mode::off) return nullptr;
  auto table = setup.process.get<LimitTable>(
      fmt::format("limit.table {}", setup.model.stores.memory.entries),
      [&] { return std::make_shared<LimitTable>(setup.model.stores.memory.entries); });
  auto redis = remote.empty() ? nullptr : client_for(remote, setup);
  return std::make_unique<Limit>(setup, options.mode, std::move(rules), std::move(table), std::move(redis));
}

void prepare_limits(Setup& setup) {
  for (const auto& [name, block] : setup.model.limits) LimitRule::read(name, setup);
}

}  // namespace

const PluginType& limit_plugin() {
  static constexpr PluginType type = {"limit",
                                      Band::limit,
                                      &make_limit,
                                      &prepare_limits,
                                      &describe_as<UseOptions>,
                                      config::ShownBlock::Kind::limit,
                                      &describe_as<LimitOptions>};
  return type;
}

}  // namespace sallyport
