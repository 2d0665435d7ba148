#include "plugins/authenticate/jwks.h"

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
    const std::string_view use = text_of(jwk, "use");
    if (!use.empty() && use != "sig") continue;
    const std::string_view algorithm = text_of(jwk, "alg");
    if (!algorithm.empty() && !crypto::algorithm_from(algorithm)) continue;
    if (auto key = key_of(jwk))
      set->keys_.push_back({std::string(text_of(jwk, "kid")), std::string(algorithm), std::move(*key)});
  }
  return set;
}

const crypto::PublicKey* KeySet::find(std::string_view kid, bool has_kid,
                                      crypto::Algorithm algorithm) const noexcept {
  const crypto::PublicKey* found = nullptr;
  for (const Key& key : keys_) {
    const bool fits =
        key.key.fits(algorithm) && (key.algorithm.empty() || key.algorithm == crypto::to_string(algorithm));
    if (!fits || (has_kid && key.kid != kid)) continue;
    if (found != nullptr) return nullptr;
    found = &key.key;
  }
  return found;
}

}  // namespace sallyport
