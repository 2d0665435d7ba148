// KeySet: the keys of a JWKS (RFC 7517), ready to verify with. Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/error.h"
#include "gateway/crypto/signature.h"

namespace sallyport {

class KeySet {
 public:
  static constexpr size_t keys_max = 100;

  // Keys of other kinds, for other uses or broken ones are passed over, also if none is left: the issuer says
  // which keys are good, and may say none. Errors: invalid_data.
  static Result<std::shared_ptr<const KeySet>> parse(std::string_view json);

  // The key for a token: the one with its kid; without a kid the only one that fits the algorithm. Null:
  // none, or not clear which.
  const crypto::PublicKey* find(std::string_view kid, bool has_kid,
                                crypto::Algorithm algorithm) const noexcept;
  size_t size() const noexcept { return keys_.size(); }
  size_t listed() const noexcept { return listed_; }  // with those that were passed over

 private:
  struct Key {
    std::string kid;
    std::string algorithm;  // empty: any that fits its kind
    crypto::PublicKey key;
  };
  std::vector<Key> keys_;
  size_t listed_ = 0;
};

}  // namespace sallyport
