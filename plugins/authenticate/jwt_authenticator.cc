// type: jwt: a Bearer token (RFC 6750) that an issuer has signed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gateway/base/siphash.h"
#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"
#include "plugins/authenticate/authenticator.h"
#include "plugins/authenticate/jwt.h"
#include "plugins/authenticate/key_source.h"

namespace sallyport {
namespace {

struct JwtOptions {
  std::string type;
  std::string issuer;                   // the claim iss, exactly
  std::vector<std::string> audiences;   // one of these must be in aud
  std::vector<std::string> algorithms;  // of ES256, RS256, PS256, EdDSA; none is implied
  JwksOptions jwks;                     // where the issuer's keys are
  std::string roles_claim = "roles";    // "realm_access.roles" goes into objects
  std::string client_claim = "sub";
  Duration leeway = seconds(30);  // between the issuer's clock and ours
  uint32_t cache = 4096;          // verified tokens remembered, per worker

  template <class IO>
  void fields(IO& io) {
    io.required("type", type);
    io.required("issuer", issuer);
    io.required("audiences", audiences);
    io.required("algorithms", algorithms);
    io.required("jwks", jwks);
    io.field("roles_claim", roles_claim);
    io.field("client_claim", client_claim);
    io.field("leeway", leeway);
    io.field("cache", cache);
  }
  void check(config::Reader& reader) const {
    // An empty one is most often a variable that was not set, and would match what no issuer means.
    const auto not_empty = [&](const char* name, const config::Node* node) {
      if (node != nullptr && node->kind == config::Node::Kind::string && node->text.empty())
        reader.error_at(node->mark, fmt::format("{} cannot be empty", name));
    };
    for (const char* name : {"issuer", "client_claim", "roles_claim"})
      not_empty(name, reader.node().find(name));
    const config::Node* listed = reader.node().find("audiences");
    if (listed != nullptr) {
      for (const config::Node& audience : listed->items) not_empty("audiences", &audience);
    }
    if (listed != nullptr && listed->is_list() && audiences.empty())
      reader.error_at("audiences", "audiences: at least one is needed");
    const config::Node* accepted = reader.node().find("algorithms");
    if (accepted != nullptr && accepted->is_list() && algorithms.empty())
      reader.error_at("algorithms", "algorithms: at least one is needed");
    for (const std::string& name : algorithms) {
      if (!crypto::algorithm_from(name)) {
        reader.error_at("algorithms", fmt::format("\"{}\" is not accepted: use ES256, RS256, PS256 or EdDSA",
                                                  text::printable(name)));
      }
    }
    if (leeway > std::chrono::minutes(10)) reader.error_at("leeway", "leeway can be 10m at most");
    if (cache < 1 || cache > 1'000'000) reader.error_at("cache", "cache must be from 1 to 1000000");
  }
};

class JwtAuthenticator final : public Authenticator {
 public:
  JwtAuthenticator(TokenRules rules, std::shared_ptr<const KeySource> source, size_t cache,
                   observe::Counter& checks)
      : source_(std::move(source)), verifier_(std::move(rules), source_->keys(), cache), checks_(checks) {
    crypto::random_bytes(missed_key_.data(), sizeof missed_key_);
  }

  const std::string& header() const noexcept override { return header_; }
  bool carries(const Exchange& x) const noexcept override {
    const http::Header* h = x.request.headers.find(http::HeaderId::authorization);
    return h != nullptr && is_bearer(h->value);
  }
  Verdict verify(Exchange& x, Exchange::Proof& proof) override {
    x.bearer = true;
    if (x.request.headers.count(http::HeaderId::authorization) != 1) {
      return fail(Code::bad_credentials, "several_tokens",
                  "there must be one Authorization header, not several");
    }
    const Slice token =
        text::trim(x.request.headers.get(http::HeaderId::authorization).substr(scheme.size()));
    proof = {token, source_->keys()->version()};  // before they are looked at: never too new
    Verdict verdict = check(token, x.loop.wall());
    if (verdict.good) return verdict;
    const std::string_view why = verdict.good.error().reason;
    const bool unknown = why == "unknown_key";
    // Perhaps the issuer signs with a new one, be it under an old name, or can be asked again.
    if (unknown || why == "bad_signature" || verdict.good.error().code == Code::dependency_down)
      source_->want();
    // Our failure, until the issuer says that it is the token's.
    if (unknown && !is_told_of(token, x.loop.now())) {
      return fail(Code::dependency_down, "key_set_stale",
                  "the token's key is not known, and the issuer's newest keys are not here yet");
    }
    return verdict;
  }
  // Its key may have been withdrawn: looked at once for each key set that comes.
  std::string_view ended(Exchange::Proof& proof, Wall now) override {
    const uint64_t version = source_->keys()->version();
    if (proof.good_with == version) return {};
    const Verdict verdict = check(proof.shown, now);
    if (!verdict.good && verdict.good.error().code == Code::dependency_down) return {};  // no keys yet
    if (!verdict.good) return verdict.good.error().reason;
    proof.good_with = version;
    return {};
  }
  std::string challenge(const Error* error) const override {
    if (error == nullptr) return "Bearer";
    return fmt::format("Bearer error=\"invalid_token\", error_description=\"{}\"", error->detail);
  }

 private:
  // True if the issuer has been asked since the key of that token's header was first missed.
  bool is_told_of(Slice token, Monotonic now) {
    const std::optional<uint64_t> next = source_->next_fetch();
    if (!next) return true;
    const uint64_t header = siphash(missed_key_, token.substr(0, token.find('.')));
    Missed& missed = missed_[header % missed_.size()];
    if (missed.header != header || missed.fetch == 0) missed = {header, *next};
    return source_->has_told(missed.fetch, now);
  }

  Verdict check(Slice token, Wall now) {
    const uint64_t before = verifier_.signature_checks();
    Verdict verdict = verifier_.verify(token, now);
    checks_.add(verifier_.signature_checks() - before);
    return verdict;
  }

  static constexpr Slice scheme = "Bearer ";
  static bool is_bearer(Slice value) noexcept {
    return text::iequals(value.substr(0, scheme.size()), scheme);
  }

  // By their hash, the headers of tokens whose key was not known, with the fetch that tells of it.
  struct Missed {
    uint64_t header = 0;
    uint64_t fetch = 0;  // 0: nobody
  };

  std::string header_ = "Authorization";
  std::array<Missed, 64> missed_{};
  SipKey missed_key_;
  std::shared_ptr<const KeySource> source_;
  TokenVerifier verifier_;
  observe::Counter& checks_;
};

// Keys that are known, and none for what is accepted.
bool fits_none(const KeySet& keys, const std::vector<crypto::Algorithm>& algorithms) {
  const auto has = [&](crypto::Algorithm algorithm) {
    return keys.candidates(std::nullopt, algorithm).count > 0;
  };
  return keys.size() > 0 && std::ranges::none_of(algorithms, has);
}

std::shared_ptr<Authenticator> make_jwt(config::Reader& reader, Setup& setup) {
  JwtOptions options;
  reader.value(options);
  if (!reader.whole()) return nullptr;
  auto source = find_key_source(options.jwks, reader.at("jwks"), setup);
  if (source == nullptr) return nullptr;
  TokenRules rules;
  rules.issuer = options.issuer;
  rules.audiences = options.audiences;
  for (const std::string& name : options.algorithms) {
    if (const auto algorithm = crypto::algorithm_from(name)) rules.algorithms.push_back(*algorithm);
  }
  const auto known = setup.checking() ? source->keys()->load() : nullptr;
  if (known != nullptr && fits_none(*known, rules.algorithms))
    setup.problems.warn(
        reader.node().find("algorithms")->mark,
        "algorithms: no key of the key set is for one of these, so that every token is refused");
  rules.roles_claim = options.roles_claim;
  rules.client_claim = options.client_claim;
  rules.leeway = options.leeway;
  rules.claims = setup.claim_names();
  observe::Counter& checks = setup.metrics.counter("sallyport_token_signature_checks_total", {});
  const size_t cache = setup.checking() ? 1 : options.cache;  // no token comes while a config is checked
  return std::make_shared<JwtAuthenticator>(std::move(rules), std::move(source), cache, checks);
}

}  // namespace

const AuthenticatorKind& jwt_kind() {
  static constexpr AuthenticatorKind kind = {"jwt", &make_jwt, &describe_as<JwtOptions>};
  return kind;
}

}  // namespace sallyport
