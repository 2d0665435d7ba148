// JSON Web Tokens (RFC 7519, RFC 8725): read strictly, verified, and remembered for as long as they are good.
//
// A TokenVerifier belongs to one worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/live.h"
#include "gateway/base/siphash.h"
#include "gateway/crypto/signature.h"
#include "gateway/json/json.h"
#include "plugins/authenticate/jwks.h"
#include "plugins/authenticate/verdict.h"

namespace sallyport {

// What a token must be like.
struct TokenRules {
  std::string issuer;
  std::vector<std::string> audiences;         // one of them
  std::vector<crypto::Algorithm> algorithms;  // none is implied
  std::string roles_claim = "roles";          // "a.b" goes into objects
  std::string client_claim = "sub";           // who calls
  Duration leeway = seconds(30);              // between our clock and the issuer's
  std::shared_ptr<const ClaimNames> claims;   // which are kept; null: none
};

// Verified tokens by a keyed hash of their text, so that nothing of a token is kept: 128 bits of SipHash with
// a key of this process, a fifth of what SHA-256 costs on a token. Bounded in number and in memory: a new one
// takes the place of the one that was there, and a large one (hundreds of roles) that of others as well. One
// worker's.
class TokenCache {
 public:
  struct Entry {
    SipTag key{};
    std::shared_ptr<const Principal> principal;
    int64_t expires_s = 0;  // with the leeway
    int64_t not_before_s = 0;
    size_t bytes = 0;  // of the principal; put() knows
  };
  static constexpr size_t ways = 4;
  static constexpr size_t row_bytes_max = ways * 4096;  // of the principals that share one place of the table
  explicit TokenCache(size_t entries);
  SipTag key_of(std::string_view token) const noexcept { return siphash128(secret_, token); }
  // Null if it is not there.
  const Entry* find(const SipTag& key) const noexcept;
  void put(Entry entry);
  void clear() noexcept;

 private:
  size_t bucket(const SipTag& key) const noexcept { return key[0] % (entries_.size() / ways) * ways; }

  SipKey secret_;
  std::vector<Entry> entries_;
  size_t next_ = 0;
};

class TokenVerifier {
 public:
  TokenVerifier(TokenRules rules, std::shared_ptr<const Live<KeySet>> keys, size_t cache_entries);

  // Who the token was issued to. Errors: bad_credentials with a reason slug; dependency_down while there is
  // no key set.
  Verdict verify(std::string_view token, Wall now);
  uint64_t signature_checks() const noexcept { return signature_checks_; }

 private:
  struct Parts {
    std::string_view signed_part, header, claims, signature;
  };
  static Result<Parts> split(std::string_view token);
  Result<void> check_signature(std::string_view header, std::string_view signed_part,
                               std::string_view signature);
  Verdict read_claims(std::string_view claims, Wall now, TokenCache::Entry& entry);
  Result<void> check_times(const TokenCache::Entry& entry, Wall now) const;
  Result<void> check_audience(json::Value claims) const;
  Result<std::string> client_of(json::Value claims) const;
  Result<std::shared_ptr<const Principal>> principal_of(json::Value claims, int64_t not_after_s) const;

  TokenRules rules_;
  LiveReader<KeySet> keys_;
  std::shared_ptr<const KeySet> keys_seen_;
  TokenCache cache_;
  json::Parser parser_;
  uint64_t signature_checks_ = 0;
};

}  // namespace sallyport
