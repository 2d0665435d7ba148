#include "plugins/authenticate/jwt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"
#include "plugins/authenticate/names.h"

namespace sallyport {
namespace {

constexpr size_t token_bytes_max = 64 * 1024;  // http.header_bytes allows less
constexpr size_t claim_bytes_max = 1024;       // of one that the config decides or counts by

std::unexpected<Error> bad(std::string_view reason, std::string detail) {
  return fail(Code::bad_credentials, reason, std::move(detail));
}

// A NumericDate (RFC 7519 section 2), which may have a fraction; nothing if it is no number or absurd.
std::optional<int64_t> date_of(std::optional<json::Value> value) {
  if (!value || (!value->is(json::Kind::integer) && !value->is(json::Kind::number))) return std::nullopt;
  const double date = value->number();
  if (!(date > -1e12 && date < 1e12)) return std::nullopt;
  return static_cast<int64_t>(std::floor(date));
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    if (space > 0) words.emplace_back(text.substr(0, space));
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return words;
}

// A list of texts, or one text: words where the claim's form is that (RFC 6749 section 3.3, RFC 9068 section
// 2.2.3); cut elsewhere, "Not Admin" would be an Admin.
std::vector<std::string> texts_of(std::optional<json::Value> value, std::string_view path) {
  std::vector<std::string> texts;
  if (!value) return texts;
  if (value->is(json::Kind::array)) {
    for (const json::Value item : value->array()) {
      if (item.is(json::Kind::string)) texts.emplace_back(item.string());
    }
  } else if (value->is(json::Kind::string)) {
    const std::string_view name = path.substr(path.rfind('.') + 1);
    if (name == "scope" || name == "scp") return words_of(value->string());
    if (!value->string().empty()) texts.emplace_back(value->string());
  }
  return texts;
}

// The claim itself, or, for "a.b", the member b of the claim a.
std::optional<json::Value> claim_at(json::Value claims, std::string_view path) {
  if (const auto whole = claims.member(path)) return whole;
  const size_t dot = path.find('.');
  if (dot == path.npos) return std::nullopt;
  const auto outer = claims.member(path.substr(0, dot));
  return outer ? claim_at(*outer, path.substr(dot + 1)) : std::nullopt;
}

std::optional<std::string> as_text(json::Value value) {
  switch (value.kind()) {
    case json::Kind::string:
      return std::string(value.string());
    case json::Kind::boolean:
      return value.boolean() ? "true" : "false";
    case json::Kind::integer:
      return fmt::format("{}{}", value.integer().negative ? "-" : "", value.integer().magnitude);
    case json::Kind::number:
      return fmt::format("{}", value.number());
    default:
      return std::nullopt;
  }
}

// What the config decides or counts by. An acr is text and an auth_time a date (OpenID Connect Core 1.0
// section 2): of another type they are none.
std::optional<std::string> decisive(json::Value claims, std::string_view name) {
  const auto claim = claim_at(claims, name);
  if (!claim) return std::nullopt;
  if (name == "acr" && !claim->is(json::Kind::string)) return std::nullopt;
  if (name == "auth_time" && !date_of(claim)) return std::nullopt;
  return as_text(*claim);
}

bool has_text(std::optional<json::Value> value, std::string_view expected) {
  return value && value->is(json::Kind::string) && value->string() == expected;
}

}  // namespace

TokenCache::TokenCache(size_t entries) : entries_(std::max(entries / ways, size_t{1}) * ways) {
  crypto::random_bytes(secret_.data(), sizeof secret_);
}

const TokenCache::Entry* TokenCache::find(const SipTag& key) const noexcept {
  const Entry* row = &entries_[bucket(key)];
  for (size_t i = 0; i < ways; ++i) {
    if (row[i].principal != nullptr && row[i].key == key) return &row[i];
  }
  return nullptr;
}

void TokenCache::put(Entry entry) {
  entry.bytes = entry.principal->bytes();
  if (entry.bytes > row_bytes_max) return;
  Entry* row = &entries_[bucket(entry.key)];
  Entry* place = &row[next_++ % ways];
  for (size_t i = 0; i < ways; ++i) {
    if (row[i].principal == nullptr) place = &row[i];
  }
  *place = std::move(entry);
  size_t bytes = place->bytes;
  for (size_t i = 0; i < ways; ++i) {
    if (&row[i] == place) continue;
    if (bytes + row[i].bytes > row_bytes_max) row[i] = {};
    bytes += row[i].bytes;
  }
}

void TokenCache::clear() noexcept { std::ranges::fill(entries_, Entry{}); }

TokenVerifier::TokenVerifier(TokenRules rules, std::shared_ptr<const Live<KeySet>> keys, size_t cache_entries)
    : rules_(std::move(rules)), keys_(std::move(keys)), cache_(cache_entries), parser_(token_bytes_max, 16) {
  if (rules_.claims == nullptr) rules_.claims = std::make_shared<ClaimNames>();
}

Verdict TokenVerifier::verify(std::string_view token, Wall now) {
  if (token.size() > token_bytes_max) return bad("malformed_token", "the token is too long");
  // What is remembered was verified with keys_seen_, and goes with it.
  if (keys_.get() != keys_seen_.get()) {
    keys_seen_ = keys_.shared();
    cache_.clear();
  }
  if (keys_seen_ == nullptr)
    return fail(Code::dependency_down, "key_set_unavailable", "the issuer's keys could not be fetched yet");
  const SipTag cache_key = cache_.key_of(token);
  if (const TokenCache::Entry* known = cache_.find(cache_key))
    return {known->principal, check_times(*known, now)};
  Result<Parts> parts = split(token);
  if (!parts) return std::unexpected(std::move(parts.error()));
  const auto header = text::base64url_decode(parts->header);
  const auto claims = text::base64url_decode(parts->claims);
  const auto signature = text::base64url_decode(parts->signature);
  if (!header || !claims || !signature) return bad("malformed_token", "a part of the token is not base64url");
  if (Result<void> good = check_signature(*header, parts->signed_part, *signature); !good)
    return std::unexpected(std::move(good.error()));
  TokenCache::Entry entry;
  Verdict verdict = read_claims(*claims, now, entry);
  if (!verdict.good) return verdict;
  entry.key = cache_key;
  entry.principal = verdict.who;
  cache_.put(std::move(entry));
  return verdict;
}

Result<TokenVerifier::Parts> TokenVerifier::split(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) {
    return bad("malformed_token", "a token has three parts (RFC 7515 section 7.1)");
  }
  return Parts{token.substr(0, second), token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1)};
}

// What a header says of keys (jku, jwk, x5u, x5c) is not listened to (RFC 8725 section 3.10).
Result<void> TokenVerifier::check_signature(std::string_view header_text, std::string_view signed_part,
                                            std::string_view signature) {
  Result<json::Value> header = parser_.parse(header_text);
  if (!header || !header->is(json::Kind::object))
    return bad("malformed_token", "the token's header is not a JSON object");
  const auto alg = header->member("alg");
  const auto known =
      alg && alg->is(json::Kind::string) ? crypto::algorithm_from(alg->string()) : std::nullopt;
  if (!known || std::ranges::find(rules_.algorithms, *known) == rules_.algorithms.end()) {
    return bad("wrong_algorithm", "the token is signed with an algorithm that is not accepted");
  }
  if (header->member("crit"))
    return bad("malformed_token", "the token has critical headers that are not understood");
  if (const auto typ = header->member("typ")) {
    const bool good = typ->is(json::Kind::string) &&
                      (text::iequals(typ->string(), "JWT") || text::iequals(typ->string(), "at+jwt") ||
                       text::iequals(typ->string(), "application/at+jwt"));
    if (!good) return bad("malformed_token", "the token's typ is neither JWT nor at+jwt");
  }
  const auto kid = header->member("kid");
  if (kid && !kid->is(json::Kind::string))
    return bad("malformed_token", "the token's kid is not text (RFC 7515 section 4.1.4)");
  const auto keys = keys_seen_->candidates(kid ? std::optional(kid->string()) : std::nullopt, *known);
  for (size_t i = 0; i < keys.count; ++i) {
    ++signature_checks_;
    if (keys.keys[i]->verify(*known, signed_part, signature)) return {};
  }
  if (keys.named) return bad("bad_signature", "the token's signature is not good");
  return bad("unknown_key", "the token is signed with a key that is not in the issuer's key set");
}

// Of a token that the issuer has signed.
Verdict TokenVerifier::read_claims(std::string_view text, Wall now, TokenCache::Entry& entry) {
  Result<json::Value> claims = parser_.parse(text);
  if (!claims || !claims->is(json::Kind::object))
    return bad("malformed_token", "the token's claims are not a JSON object");
  const int64_t leeway_s = std::chrono::ceil<seconds>(rules_.leeway).count();
  const auto expiry = claims->member("exp"), not_before = claims->member("nbf"),
             issued = claims->member("iat");
  if (!expiry) return bad("no_expiry", "the token has no expiry (exp)");
  const auto expires = date_of(expiry);
  if (!expires || (not_before && !date_of(not_before)) || (issued && !date_of(issued)))
    return bad("malformed_token",
               "a date of the token is not a number of seconds, or more than 30000 years away");
  if (!has_text(claims->member("iss"), rules_.issuer))
    return bad("wrong_issuer", "the token is from another issuer");
  entry.expires_s = *expires + leeway_s;
  entry.not_before_s = std::max(date_of(not_before).value_or(0), date_of(issued).value_or(0)) - leeway_s;
  auto who = principal_of(*claims, entry.expires_s);
  Result<void> good = check_times(entry, now);
  if (good) good = check_audience(*claims);
  if (who) return {std::move(*who), std::move(good)};
  return std::unexpected(good ? std::move(who.error()) : std::move(good.error()));
}

Result<void> TokenVerifier::check_times(const TokenCache::Entry& entry, Wall now) const {
  const int64_t s = unix_seconds(now);
  if (s >= entry.expires_s) return bad("expired", "the token has expired");
  if (s < entry.not_before_s) return bad("not_yet_valid", "the token is not good yet");
  return {};
}

Result<void> TokenVerifier::check_audience(json::Value claims) const {
  const auto audience = claims.member("aud");
  bool meant = false;
  for (const std::string& accepted : rules_.audiences) {
    meant = meant || has_text(audience, accepted);
    if (!audience || !audience->is(json::Kind::array)) continue;
    for (const json::Value one : audience->array()) meant = meant || has_text(one, accepted);
  }
  if (!meant) return bad("wrong_audience", "the token is for another audience");
  return {};
}

// The claim that says who: text; of another claim than `sub` a whole number will do, as a user's id.
Result<std::string> TokenVerifier::client_of(json::Value claims) const {
  const auto claim = claim_at(claims, rules_.client_claim);
  const bool is_name = claim && (claim->is(json::Kind::string) ||
                                 (claim->is(json::Kind::integer) && rules_.client_claim != "sub"));
  std::string client = is_name ? as_text(*claim).value_or("") : "";
  if (client.empty()) return bad("no_subject", "the token does not say for whom it is");
  if (const auto wrong = wrong_with_client(client); !wrong.empty())
    return bad("bad_subject", fmt::format("the name for whom the token is {}", wrong));
  return client;
}

Result<std::shared_ptr<const Principal>> TokenVerifier::principal_of(json::Value claims,
                                                                     int64_t not_after_s) const {
  Result<std::string> client = client_of(claims);
  if (!client) return std::unexpected(std::move(client.error()));
  auto who = std::make_shared<Principal>();
  who->authenticator = "jwt";
  who->issuer = rules_.issuer;
  who->client = std::move(*client);
  if (const auto jti = claims.member("jti")) who->credential = as_text(*jti).value_or("");
  who->roles = texts_of(claim_at(claims, rules_.roles_claim), rules_.roles_claim);
  const auto scope = claims.member("scope");
  who->scopes = texts_of(scope ? scope : claims.member("scp"), "scope");
  who->leeway_s = std::chrono::ceil<seconds>(rules_.leeway).count();
  who->not_after_s = not_after_s;  // with the leeway: what lasts ends when a request would be refused
  for (const std::string& name : rules_.claims->all()) {
    auto value = decisive(claims, name);
    if (value && value->size() > claim_bytes_max)
      return bad("claim_too_long", "a claim by which the gateway decides is longer than 1024 bytes");
    if (value) who->claims.emplace_back(name, std::move(*value));
  }
  who->finish();
  return who;
}

}  // namespace sallyport
