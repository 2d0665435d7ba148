#include "plugins/authenticate/authenticate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/core/setup.h"
#include "plugins/authenticate/authenticator.h"
#include "plugins/authenticate/caller_cache.h"

namespace sallyport {
namespace {

struct AuthenticateOptions {
  config::Mode mode = config::Mode::enforce;
  std::vector<std::string> any_of;
  std::vector<std::string> all_of;
  bool open = false;  // "public"

  bool shorthand(config::Reader& reader) {
    open = reader.node().is_scalar() && reader.node().text == "public";
    if (!open) reader.error("authenticate: expected { any_of: [NAME] }, { all_of: [NAME] } or public");
    return true;
  }
  bool shorthand(config::Writer& writer) const {
    if (open) writer.text_value("public");
    return open;
  }
  template <class IO>
  void fields(IO& io) {
    io.field("mode", mode);
    config::field_unless_empty(io, "any_of", any_of);
    config::field_unless_empty(io, "all_of", all_of);
  }
  void check(config::Reader& reader) const {
    if (any_of.empty() == all_of.empty())
      reader.error("authenticate: name one of any_of and all_of, or say public");
    if (all_of.size() > CallerCache::proofs_max)
      reader.error_at("all_of", fmt::format("all_of: {} authenticators at most", CallerCache::proofs_max));
  }
};

class Authenticate final : public Policy, private Admission {
 public:
  Authenticate(Setup& setup, config::Mode mode, std::vector<std::string> names,
               std::vector<std::shared_ptr<Authenticator>> authenticators, bool all)
      : Policy(setup, "authenticate", mode),
        names_(std::move(names)),
        authenticators_(std::move(authenticators)),
        in_force_(InForce::of(setup)),
        config_(in_force_->config()),
        all_(all),
        shadow_(mode == config::Mode::shadow),
        callers_(setup.snapshot.get<CallerCache>("authenticate.callers",
                                                 [] { return std::make_shared<CallerCache>(); })) {
    for (const char* reason : {"no_credentials", "unknown_key", "expired", "revoked"}) expect(reason);
  }

  Task<Decision> decide(Exchange& x) override {
    x.proofs.resize(authenticators_.size());
    Decision decision = all_ ? every_one(x) : first_one(x);
    if (!shadow_ && decision == nullptr) {
      x.admission = this;
      x.watch_content();
    }
    return Task<Decision>::ready(std::move(decision));
  }

 private:
  bool still_allowed(Exchange& x) override {
    const Wall now = x.loop.wall();
    const int64_t not_after = x.principal->not_after_s;
    std::string_view why = not_after != 0 && unix_seconds(now) >= not_after ? "expired" : "";
    std::shared_ptr<Authenticator> of;
    for (size_t i = 0; i < authenticators_.size() && (of == nullptr || why.empty()); ++i) {
      if (x.proofs[i].shown.empty()) continue;
      of = judge(i, x.proofs[i]);
      if (why.empty()) why = of->ended(x.proofs[i], now);
    }
    if (why.empty()) return true;
    x.notes.refused_by = "authenticate";
    x.notes.reason = why;
    if (!x.answered && of != nullptr) {  // RFC 9110 section 15.5.2
      const Error error{Code::bad_credentials, why, "what the caller was let in with has ended"};
      x.add_answer_header("WWW-Authenticate", of->challenge(&error));
    }
    return false;
  }

  // A reload may have given its name to another, with other keys: what was let in with these does not outlast
  // them. Where it has taken the name away, whoever let the caller in judges on.
  std::shared_ptr<Authenticator> judge(size_t i, Exchange::Proof& proof) const {
    auto now = in_force_->called(names_[i]);
    const uint64_t config = now != nullptr ? in_force_->config() : config_;
    if (std::max(proof.config, config_) != config) proof.good_with = Exchange::Proof::nothing;
    proof.config = config;
    return now != nullptr ? std::move(now) : authenticators_[i];
  }

  Decision first_one(Exchange& x) {
    for (size_t i = 0; i < authenticators_.size(); ++i) {
      Authenticator& a = *authenticators_[i];
      if (!a.carries(x)) continue;
      Verdict verdict = a.verify(x, x.proofs[i]);
      if (!verdict.good) {
        name(verdict.who.get(), x);
        return refused(a, std::move(verdict.good.error()));
      }
      x.principal = std::move(verdict.who);
      return pass();
    }
    return nothing_carried();
  }

  Decision every_one(Exchange& x) {
    CallerCache::Proofs proofs;
    for (size_t i = 0; i < authenticators_.size(); ++i) {
      Authenticator& a = *authenticators_[i];
      if (!a.carries(x)) {
        name(proofs.front().get(), x);
        return nothing_carried();
      }
      Verdict verdict = a.verify(x, x.proofs[i]);
      proofs[i] = std::move(verdict.who);
      if (!verdict.good) {
        name(proofs[proofs[i] != nullptr ? i : 0].get(), x);
        return refused(a, std::move(verdict.good.error()));
      }
    }
    x.principal = callers_->find_or_make(proofs);
    return pass();
  }

  // For the log: whose genuine credentials are refused, so that somebody sees who still uses them.
  static void name(const Principal* who, Exchange& x) {
    if (who == nullptr) return;
    x.notes.client = x.arena.copy(who->client);
    x.notes.credential = x.arena.copy(who->credential);
  }

  Decision refused(const Authenticator& a, Error error) const {
    auto refusal = std::make_unique<Refusal>();
    if (error.code == Code::bad_credentials)
      refusal->headers.emplace_back("WWW-Authenticate", a.challenge(&error));
    refusal->error = std::move(error);
    return refusal;
  }

  Decision nothing_carried() const {
    Decision refusal = refuse(Code::no_credentials, "no_credentials",
                              all_ ? "every one of the credentials that WWW-Authenticate names is needed"
                                   : "credentials are needed; WWW-Authenticate says which");
    for (const auto& a : authenticators_)
      refusal->headers.emplace_back("WWW-Authenticate", a->challenge(nullptr));
    return refusal;
  }

  std::vector<std::string> names_;
  std::vector<std::shared_ptr<Authenticator>> authenticators_;
  std::shared_ptr<InForce> in_force_;
  uint64_t config_;  // that it was made of
  bool all_;
  bool shadow_;
  std::shared_ptr<CallerCache> callers_;
};

std::shared_ptr<Authenticator> named(const std::string& name, config::Reader& reader, std::string_view key,
                                     Setup& setup) {
  if (setup.model.authenticator(name) != nullptr) {
    auto found = find_authenticator(name, setup);
    if (found == nullptr) reader.refuse();
    return found;
  }
  reader.error_at(key, fmt::format("there is no authenticator \"{}\"{}", text::printable(name),
                                   reader.did_you_mean_one(name, setup.model.authenticators)));
  return nullptr;
}

std::unique_ptr<Plugin> make(config::Reader& reader, Setup& setup) {
  AuthenticateOptions options;
  reader.value(options);
  if (options.open || options.mode == config::Mode::off) return nullptr;
  const bool all = !options.all_of.empty();
  const std::string_view key = all ? "all_of" : "any_of";
  const std::vector<std::string>& names = all ? options.all_of : options.any_of;
  std::vector<std::shared_ptr<Authenticator>> authenticators;
  for (const std::string& name : names) {
    auto one = named(name, reader, key, setup);
    if (one == nullptr) continue;
    for (size_t i = 0; i < authenticators.size(); ++i) {
      if (!text::iequals(authenticators[i]->header(), one->header())) continue;
      reader.error_at(
          key, fmt::format("\"{}\" reads the header {}, and so does one before it, which takes what is "
                           "meant for this one: let them read different headers, or use one a route",
                           text::printable(name), one->header()));
    }
    authenticators.push_back(std::move(one));
  }
  if (!reader.whole()) return nullptr;
  return std::make_unique<Authenticate>(setup, options.mode, names, std::move(authenticators), all);
}

}  // namespace

const PluginType& authenticate_plugin() {
  static constexpr PluginType type = {"authenticate",
                                      Band::authenticate,
                                      &make,
                                      &prepare_authenticators,
                                      &describe_as<AuthenticateOptions>,
                                      config::ShownBlock::Kind::authenticator,
                                      &describe_authenticator};
  return type;
}

}  // namespace sallyport
