#include "plugins/limit/limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/config/address.h"
#include "gateway/config/show.h"
#include "gateway/store/stores.h"
#include "plugins/limit/rule.h"
#include "plugins/limit/shared.h"
#include "plugins/limit/table.h"

namespace sallyport {
namespace {

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

int64_t time_now() noexcept { return MonotonicClock::now().time_since_epoch().count(); }

using Tables = std::vector<std::shared_ptr<LimitTable>>;  // one a rule, in their order

// Of each limit one, as long as a route uses it: who floods one leaves the others alone. Made before workers
// ask for them, for there may be no memory: std::bad_alloc.
Tables tables_for(const std::vector<LimitRule>& rules, Setup& setup) {
  const uint32_t entries = setup.model.stores.memory.entries;
  Tables tables;
  for (const LimitRule& rule : rules) {
    const std::string key = fmt::format("limit.table {} {}", entries, rule.name);
    tables.push_back(setup.generation.get<LimitTable>(key, [&] {
      return setup.process.share<LimitTable>(
          key, [&] { return std::make_shared<LimitTable>(entries, &time_now); });
    }));
  }
  return tables;
}

class Limit final : public Policy {
 public:
  Limit(Setup& setup, config::Mode mode, std::vector<LimitRule> rules, Tables tables,
        std::shared_ptr<LeasedStore> store)
      : Policy(setup, "limit", mode),
        route_(setup.route),
        rules_(std::move(rules)),
        tables_(std::move(tables)) {
    for (const LimitRule& rule : rules_) policies_ += (policies_.empty() ? "" : ", ") + rule.policy;
    if (store != nullptr)
      shared_ = std::make_unique<SharedBuckets>(*setup.loop, rules_, route_, std::move(store));
  }

  Task<Decision> decide(Exchange& x) override {
    if (has_repeated_header(x))
      return Task<Decision>::ready(refuse(Code::invalid_parameter, "repeated_header",
                                          "a header that this route counts by is there twice"));
    BucketStates states;
    if (!take_local(x, states, false)) return Task<Decision>::ready(answer(x, false, states));
    if (shared_ == nullptr || shared_->spend(x, states))
      return Task<Decision>::ready(answer(x, true, states));
    return ask_redis(x, states);
  }

 private:
  // Of several fields of one name a backend takes the first, the last or all of them: counted is none.
  bool has_repeated_header(const Exchange& x) const {
    return std::ranges::any_of(rules_, [&](const LimitRule& rule) {
      return std::ranges::any_of(rule.by, [&](const LimitBy& by) {
        if (by.kind != LimitBy::Kind::header) return false;
        const auto named = [&](const http::Header& h) { return text::iequals(h.name, by.name); };
        return std::ranges::count_if(x.request.headers, named) > 1;
      });
    });
  }

  // Takes from every bucket of the embedded store, or from none. all: those that belong to Redis as well,
  // which is not there.
  bool take_local(Exchange& x, BucketStates& states, bool all) {
    const int64_t now = x.loop.now().time_since_epoch().count();
    std::array<uint64_t, LimitRule::per_route_max> keys{};
    bool allowed = true;
    size_t taken = 0;
    for (; taken < rules_.size() && allowed; ++taken) {
      const LimitRule& rule = rules_[taken];
      if (rule.remote && !all) continue;
      if (rule.remote && rule.options.when_store_fails != StoreFails::local) continue;
      LimitTable& table = *tables_[taken];
      keys[taken] = table.hash(rule.key(x, route_));
      const LimitTable::Taken result = table.take(keys[taken], rule.ns, now);
      allowed = result.allowed;
      states[taken] = BucketState::of(rule.ns, result.tat, now, 1, !allowed);
    }
    if (allowed) return true;
    for (size_t i = 0; i + 1 < taken; ++i) {
      if (keys[i] != 0) tables_[i]->give_back(keys[i], rules_[i].ns);
    }
    return false;
  }

  void give_back_local(Exchange& x) {
    for (size_t i = 0; i < rules_.size(); ++i) {
      const LimitRule& rule = rules_[i];
      if (!rule.remote) tables_[i]->give_back(tables_[i]->hash(rule.key(x, route_)), rule.ns);
    }
  }

  Task<Decision> ask_redis(Exchange& x, BucketStates states) {
    const Result<bool> allowed = co_await shared_->take(x, states);
    if (!allowed || !*allowed) give_back_local(x);
    co_return allowed ? answer(x, *allowed, states) : without_store(x);
  }

  // Redis is not there: what the config chose. That is never the client's fault, and so never 429 but by the
  // embedded store.
  Decision without_store(Exchange& x) {
    for (const LimitRule& rule : rules_) {
      if (!rule.remote || rule.options.when_store_fails != StoreFails::deny) continue;
      Decision refusal =
          refuse(Code::dependency_down, "store_unavailable", "the store of the limits is not there");
      refusal->headers.emplace_back("Retry-After", "1");
      return refusal;
    }
    BucketStates states;
    return answer(x, take_local(x, states, true), states);
  }

  // RateLimit-Policy and, of the buckets that were looked at, RateLimit
  // (draft-ietf-httpapi-ratelimit-headers-10) on every answer; Retry-After on a refusal.
  Decision answer(Exchange& x, bool allowed, const BucketStates& states) const {
    std::array<Slice, LimitRule::per_route_max> items;
    size_t count = 0;
    int64_t wait_ns = 0;
    for (size_t i = 0; i < rules_.size(); ++i) {
      const BucketState& s = states[i];
      if (!s.known) continue;
      if (s.refuses) wait_ns = std::max(wait_ns, s.wait_ns);
      const int64_t reset_s = std::chrono::ceil<seconds>(Duration(s.reset_ns)).count();
      text::Digits left, reset;
      items[count] = x.arena.concat({count == 0 ? "\"" : ", \"", rules_[i].name,
                                     "\";r=", text::decimal(static_cast<uint64_t>(s.remaining), left),
                                     ";t=", text::decimal(static_cast<uint64_t>(reset_s), reset)});
      ++count;
    }
    x.add_answer_header("RateLimit-Policy", policies_);
    if (count > 0)
      x.add_answer_header("RateLimit",
                          count == 1 ? items[0] : x.arena.concat(std::span<const Slice>(items).first(count)));
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
  Tables tables_;
  std::unique_ptr<SharedBuckets> shared_;  // null: none is in a Redis
};

// Null, and the reader is told, if it cannot be had; also while the config is only checked.
std::shared_ptr<LeasedStore> shared_for(const std::string& name, config::Reader& reader, Setup& setup) {
  const config::Store& block = *setup.model.store(name);
  if (!config::parse_redis_url(block.url)) {  // told where it stands
    reader.refuse();
    return nullptr;
  }
  // Made once a config, where it is checked: the workers read no file.
  const auto options = setup.generation.get<store::RedisOptions>(
      "limit.store." + name, [&]() -> std::shared_ptr<store::RedisOptions> {
        auto made = store::redis_options(name, block);
        if (made) return std::make_shared<store::RedisOptions>(std::move(*made));
        reader.error_at(block.mark, fmt::format("store {}: {}", name, made.error().detail));
        return nullptr;
      });
  if (options == nullptr) reader.refuse();
  if (options == nullptr || setup.checking()) return nullptr;
  const std::string key =
      fmt::format("limit.store.{}\n{}{}", name, config::yaml_of(block), store::identity(*options));
  return setup.worker.get<LeasedStore>(key, [&] {
    return std::make_shared<LeasedStore>(
        *setup.loop,
        std::make_unique<store::RedisClient>(*setup.loop, *setup.resolver, setup.metrics, *options));
  });
}

std::optional<LimitRule> named_rule(const std::string& name, config::Reader& reader, Setup& setup) {
  if (setup.model.limit(name) != nullptr) {
    auto rule = LimitRule::read(name, setup);
    if (!rule) reader.refuse();
    return rule;
  }
  reader.error(fmt::format("there is no limit \"{}\"{}", text::printable(name),
                           reader.did_you_mean_one(name, setup.model.limits)));
  return std::nullopt;
}

// Which header counts is decided here: a backend gets no other that it could take for it.
void guard_headers(const std::vector<LimitRule>& rules, Setup& setup) {
  for (const LimitRule& rule : rules) {
    for (const LimitBy& by : rule.by) {
      if (by.kind == LimitBy::Kind::header) setup.header_guard()->add_read(by.name);
    }
  }
}

// A request would be counted twice.
void check_repeated(const std::vector<std::string>& names, config::Reader& reader) {
  const config::Node& block = reader.node();
  const config::Node* list = block.is_map() ? block.find("use") : &block;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto end = names.begin() + static_cast<ptrdiff_t>(i);
    if (std::find(names.begin(), end, names[i]) != end)
      reader.error_at(list->items[i].mark, fmt::format("the limit \"{}\" is there twice: name it once",
                                                       text::printable(names[i])));
  }
}

std::unique_ptr<Plugin> make_limit(config::Reader& reader, Setup& setup) {
  UseOptions options;
  reader.value(options);
  if (options.use.size() > LimitRule::per_route_max) reader.error("a route can have eight limits at most");
  check_repeated(options.use, reader);
  std::vector<LimitRule> rules;
  std::string remote;
  for (const std::string& name : options.use) {
    auto rule = named_rule(name, reader, setup);
    if (!rule) continue;
    const std::string& store = rule->options.store;
    if (rule->remote && !remote.empty() && store != remote) {
      reader.error(
          "the limits of one route can use one Redis store, not several: one script decides over all of "
          "them");
    }
    if (rule->remote) remote = store;
    rules.push_back(std::move(*rule));
  }
  if (setup.checking() && options.mode == config::Mode::enforce) guard_headers(rules, setup);
  auto shared = remote.empty() ? nullptr : shared_for(remote, reader, setup);
  const bool checked_only = setup.checking() && setup.background == nullptr;
  if (!reader.whole() || checked_only || rules.empty() || options.mode == config::Mode::off) return nullptr;
  Tables tables = tables_for(rules, setup);
  if (setup.checking()) return nullptr;
  return std::make_unique<Limit>(setup, options.mode, std::move(rules), std::move(tables), std::move(shared));
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
