// Issuer: an identity provider with one key: its JWKS (RFC 7517) and the tokens it signs (RFC 7515).
#pragma once

#include <memory>
#include <string>

namespace sallyport::test {

std::string base64url(const std::string& bytes);  // RFC 4648 section 5, without padding

class Issuer {
 public:
  explicit Issuer(std::string algorithm = "ES256", std::string key_id = "k1");  // ES256, RS256, PS256, EdDSA
  ~Issuer();
  Issuer(const Issuer&) = delete;

  std::string jwks() const;
  std::string token(const std::string& claims, const std::string& header) const;
  std::string token(const std::string& claims) const;  // with alg and kid as they should be
  // From https://idp for api, sub ann, jti t1, role clerk, scopes a:read a:write, good for ten minutes;
  // more: `,"name":value`.
  std::string good(const std::string& more = "") const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::test
