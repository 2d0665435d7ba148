#include "plugins/authenticate/jwks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/json/json.h"

namespace sallyport {
namespace {

constexpr size_t document_max = 1 << 20;

std::string_view text_of(json::Value object, std::string_view name) noexcept {
  const auto found = object.member(name);
  return found && found->is(json::Kind::string) ? found->string() : std::string_view{};
}

// True if the key says that signatures may be verified with it, or does not say what it is for (RFC 7517
// sections 4.2 and 4.3).
bool is_for_verifying(json::Value jwk) noexcept {
  if (const auto use = jwk.member("use"); use && (!use->is(json::Kind::string) || use->string() != "sig"))
    return false;
  const auto operations = jwk.member("key_ops");
  if (!operations) return true;
  if (!operations->is(json::Kind::array)) return false;
  for (const json::Value one : operations->array()) {
    if (one.is(json::Kind::string) && one.string() == "verify") return true;
  }
  return false;
}

std::optional<crypto::PublicKey> key_of(json::Value jwk) {
  const std::string_view kind = text_of(jwk, "kty"), curve = text_of(jwk, "crv");
  const auto part = [&](std::string_view name) {
    return text::base64url_decode(text_of(jwk, name)).value_or("");
  };
  Result<crypto::PublicKey> key = fail(Code::invalid_data, "unknown_kind");
  if (kind == "EC" && curve == "P-256") key = crypto::PublicKey::ec_p256(part("x"), part("y"));
  if (kind == "RSA") key = crypto::PublicKey::rsa(part("n"), part("e"));
  if (kind == "OKP" && curve == "Ed25519") key = crypto::PublicKey::ed25519(part("x"));
  if (!key) return std::nullopt;
  return std::move(*key);
}

}  // namespace

Result<std::shared_ptr<const KeySet>> KeySet::parse(std::string_view json_text) {
  json::Parser parser(document_max, 16);
  Result<json::Value> document = parser.parse(json_text);
  if (!document)
    return fail(Code::invalid_data, "bad_key_set",
                "the key set is not good JSON: " + document.error().detail);
  const auto keys = document->member("keys");
  if (!keys || !keys->is(json::Kind::array))
    return fail(Code::invalid_data, "bad_key_set", "the key set has no list \"keys\"");
  auto set = std::make_shared<KeySet>();
  set->listed_ = keys->size();
  for (const json::Value jwk : keys->array()) {
    if (set->keys_.size() >= keys_max)
      return fail(Code::invalid_data, "bad_key_set", "the key set has more than 100 keys");
    const auto kid = jwk.member("kid"), algorithm = jwk.member("alg");
    if (!is_for_verifying(jwk) || (kid && !kid->is(json::Kind::string))) continue;
    if (algorithm && !(algorithm->is(json::Kind::string) && crypto::algorithm_from(algorithm->string())))
      continue;
    auto material = key_of(jwk);
    if (!material) continue;
    Key key{{}, {}, std::move(*material)};
    if (kid) key.kid = kid->string();
    if (algorithm) key.algorithm = crypto::algorithm_from(algorithm->string());
    if (!set->has(key)) set->keys_.push_back(std::move(key));
  }
  return set;
}

bool KeySet::has(const Key& key) const noexcept {
  return std::ranges::any_of(keys_, [&](const Key& other) {
    return other.kid == key.kid && other.algorithm == key.algorithm && other.key == key.key;
  });
}

KeySet::Candidates KeySet::candidates(std::optional<std::string_view> kid,
                                      crypto::Algorithm algorithm) const noexcept {
  Candidates found;
  const auto add_those = [&](auto&& meant) {
    for (const Key& key : keys_) {
      if (found.count == found.keys.size()) return;
      if (meant(key) && key.key.fits(algorithm) && key.algorithm.value_or(algorithm) == algorithm)
        found.keys[found.count++] = &key.key;
    }
  };
  if (!kid) {
    add_those([](const Key&) { return true; });
    return found;
  }
  add_those([&](const Key& key) { return key.kid == *kid; });
  found.named = found.count > 0;
  if (!found.named) add_those([](const Key& key) { return !key.kid; });
  return found;
}

}  // namespace sallyport
