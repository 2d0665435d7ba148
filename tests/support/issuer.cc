#include "tests/support/issuer.h"

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <ctime>
#include <utility>

namespace sallyport::test {
namespace {

const uint8_t* bytes_of(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }
uint8_t* bytes_of(std::string& s) { return reinterpret_cast<uint8_t*>(s.data()); }

std::string number(const BIGNUM* n, size_t width) {
  std::string out(width, '\0');
  if (BN_bn2bin_padded(bytes_of(out), out.size(), n) != 1) std::abort();
  return out;
}

void make(EVP_PKEY* key, const std::string& algorithm) {
  if (algorithm == "ES256") {
    EC_KEY* ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EC_KEY_generate_key(ec);
    EVP_PKEY_assign_EC_KEY(key, ec);
  } else if (algorithm == "EdDSA") {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr);
    EVP_PKEY_keygen_init(context);
    EVP_PKEY_keygen(context, &key);
    EVP_PKEY_CTX_free(context);
  } else {
    RSA* rsa = RSA_new();
    BIGNUM* exponent = BN_new();
    BN_set_word(exponent, 65537);
    RSA_generate_key_ex(rsa, 2048, exponent, nullptr);
    BN_free(exponent);
    EVP_PKEY_assign_RSA(key, rsa);
  }
}

// JWS wants r and s side by side (RFC 7518 section 3.4), not DER.
std::string raw_ecdsa(const std::string& der) {
  ECDSA_SIG* sig = ECDSA_SIG_from_bytes(bytes_of(der), der.size());
  const BIGNUM *r = nullptr, *s = nullptr;
  ECDSA_SIG_get0(sig, &r, &s);
  std::string out = number(r, 32) + number(s, 32);
  ECDSA_SIG_free(sig);
  return out;
}

}  // namespace

std::string base64url(const std::string& bytes) {
  std::string out(bytes.size() * 4 / 3 + 4, '\0');
  out.resize(static_cast<size_t>(EVP_EncodeBlock(bytes_of(out), bytes_of(bytes), bytes.size())));
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

struct Issuer::Impl {
  std::string algorithm, key_id;
  EVP_PKEY* key = EVP_PKEY_new();
};

Issuer::Issuer(std::string algorithm, std::string key_id)
    : impl_(std::make_unique<Impl>(std::move(algorithm), std::move(key_id))) {
  make(impl_->key, impl_->algorithm);
}
Issuer::~Issuer() { EVP_PKEY_free(impl_->key); }

std::string Issuer::jwks() const {
  std::string members;
  if (const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(impl_->key)) {
    BIGNUM *x = BN_new(), *y = BN_new();
    EC_POINT_get_affine_coordinates_GFp(EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec), x, y, nullptr);
    members = R"("kty":"EC","crv":"P-256","x":")" + base64url(number(x, 32)) + R"(","y":")" +
              base64url(number(y, 32)) + '"';
    BN_free(x);
    BN_free(y);
  } else if (const RSA* rsa = EVP_PKEY_get0_RSA(impl_->key)) {
    members = R"("kty":"RSA","e":"AQAB","n":")" + base64url(number(RSA_get0_n(rsa), 256)) + '"';
  } else {
    std::string x(32, '\0');
    size_t size = x.size();
    EVP_PKEY_get_raw_public_key(impl_->key, bytes_of(x), &size);
    members = R"("kty":"OKP","crv":"Ed25519","x":")" + base64url(x) + '"';
  }
  return R"({"keys":[{"kid":")" + impl_->key_id + "\"," + members + "}]}";
}

std::string Issuer::token(const std::string& claims, const std::string& header) const {
  const std::string text = base64url(header) + "." + base64url(claims);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  const bool one_shot = impl_->algorithm == "EdDSA";
  EVP_DigestSignInit(context, &options, one_shot ? nullptr : EVP_sha256(), nullptr, impl_->key);
  if (impl_->algorithm == "PS256") {
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, -1);
  }
  std::string signature(512, '\0');
  size_t size = signature.size();
  if (EVP_DigestSign(context, bytes_of(signature), &size, bytes_of(text), text.size()) != 1) std::abort();
  EVP_MD_CTX_free(context);
  signature.resize(size);
  if (impl_->algorithm == "ES256") signature = raw_ecdsa(signature);
  return text + "." + base64url(signature);
}

std::string Issuer::token(const std::string& claims) const {
  return token(claims, R"({"alg":")" + impl_->algorithm + R"(","kid":")" + impl_->key_id + "\"}");
}

std::string Issuer::good(const std::string& more) const {
  return token(
      R"({"iss":"https://idp","aud":["api","x"],"sub":"ann","jti":"t1","roles":["clerk"],"scope":"a:read a:write","exp":)" +
      std::to_string(std::time(nullptr) + 600) + more + "}");
}

}  // namespace sallyport::test
