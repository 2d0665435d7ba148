// KeySet: the keys of a JWKS (RFC 7517), ready to verify with. Immutable; any thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/error.h"
#include "gateway/crypto/signature.h"

namespace sallyport {

class KeySet {
 public:
  static constexpr size_t keys_max = 100;
  static constexpr size_t tries_max = 4;  // signatures that are checked for one token

  // Keys of other kinds, for other uses or broken ones are passed over, also if none is left: the issuer says
  // which keys are good, and may say none. Errors: invalid_data.
  static Result<std::shared_ptr<const KeySet>> parse(std::string_view json);

  // The keys that may have signed a token: those with its kid; if there are none, those without one; all, if
  // the token has none (RFC 7515 section 4.1.4: it is a hint). Of those that fit the algorithm the first few.
  struct Candidates {
    std::array<const crypto::PublicKey*, tries_max> keys{};
    size_t count = 0;
    bool named = false;  // by the token's kid: nothing else can have signed it
  };
  Candidates candidates(std::optional<std::string_view> kid, crypto::Algorithm algorithm) const noexcept;
  size_t size() const noexcept { return keys_.size(); }
  size_t listed() const noexcept { return listed_; }  // with those that were passed over

 private:
  struct Key {
    std::optional<std::string> kid;
    std::optional<crypto::Algorithm> algorithm;  // absent: any that fits its kind
    crypto::PublicKey key;
  };
  bool has(const Key& key) const noexcept;

  std::vector<Key> keys_;
  size_t listed_ = 0;
};

}  // namespace sallyport
