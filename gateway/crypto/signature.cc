#include "gateway/crypto/signature.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <array>
#include <utility>

namespace sallyport::crypto {
namespace {

constexpr std::array<std::string_view, 4> names = {"ES256", "RS256", "PS256", "EdDSA"};
constexpr unsigned rsa_bits_min = 2048, rsa_bits_max = 8192;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using BigPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using EcPtr = std::unique_ptr<EC_KEY, Deleter<EC_KEY_free>>;
using RsaPtr = std::unique_ptr<RSA, Deleter<RSA_free>>;
using SigPtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;
using ContextPtr = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

const uint8_t* bytes(std::string_view s) noexcept { return reinterpret_cast<const uint8_t*>(s.data()); }
BigPtr number(std::string_view s) { return BigPtr(BN_bin2bn(bytes(s), s.size(), nullptr)); }

std::unexpected<Error> bad_key(std::string detail) {
  ERR_clear_error();
  return fail(Code::invalid_data, "bad_key", std::move(detail));
}

// ES256: r and s side by side (RFC 7518 section 3.4); BoringSSL wants them in DER.
bool verify_es256(EVP_PKEY* key, std::string_view data, std::string_view signature) {
  if (signature.size() != 64) return false;
  const SigPtr sig(ECDSA_SIG_new());
  if (ECDSA_SIG_set0(sig.get(), BN_bin2bn(bytes(signature), 32, nullptr),
                     BN_bin2bn(bytes(signature) + 32, 32, nullptr)) != 1) {
    return false;
  }
  std::array<uint8_t, 32> digest;
  unsigned length = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) return false;
  return ECDSA_do_verify(digest.data(), digest.size(), sig.get(), EVP_PKEY_get0_EC_KEY(key)) == 1;
}

}  // namespace

std::string_view to_string(Algorithm a) noexcept { return names[static_cast<size_t>(a)]; }

std::optional<Algorithm> algorithm_from(std::string_view name) noexcept {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Algorithm>(i);
  }
  return std::nullopt;
}

struct PublicKey::Impl {
  KeyPtr key;
};

PublicKey::PublicKey(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

Result<PublicKey> PublicKey::ec_p256(std::string_view x, std::string_view y) {
  if (x.size() != 32 || y.size() != 32) return bad_key("a P-256 key has two coordinates of 32 bytes");
  EcPtr ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  if (EC_KEY_set_public_key_affine_coordinates(ec.get(), number(x).get(), number(y).get()) != 1) {
    return bad_key("the point is not on the curve P-256");
  }
  auto impl = std::make_unique<Impl>();
  impl->key.reset(EVP_PKEY_new());
  EVP_PKEY_set1_EC_KEY(impl->key.get(), ec.get());
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::rsa(std::string_view modulus, std::string_view exponent) {
  BigPtr n = number(modulus), e = number(exponent);
  const unsigned bits = BN_num_bits(n.get());
  if (bits < rsa_bits_min || bits > rsa_bits_max)
    return bad_key("an RSA key must have from 2048 to 8192 bits");
  if (!BN_is_odd(e.get()) || BN_num_bits(e.get()) > 33 || BN_is_one(e.get()))
    return bad_key("the RSA exponent is not an odd number from 3");
  RsaPtr key(RSA_new());
  if (RSA_set0_key(key.get(), n.get(), e.get(), nullptr) != 1) return bad_key("this is not an RSA key");
  n.release();
  e.release();
  auto impl = std::make_unique<Impl>();
  impl->key.reset(EVP_PKEY_new());
  EVP_PKEY_set1_RSA(impl->key.get(), key.get());
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::ed25519(std::string_view x) {
  auto impl = std::make_unique<Impl>();
  if (x.size() == 32)
    impl->key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(x), x.size()));
  if (impl->key == nullptr) return bad_key("an Ed25519 key has 32 bytes");
  return PublicKey(std::move(impl));
}

bool PublicKey::fits(Algorithm algorithm) const noexcept {
  const int kind = EVP_PKEY_id(impl_->key.get());
  switch (algorithm) {
    case Algorithm::es256:
      return kind == EVP_PKEY_EC;
    case Algorithm::rs256:
    case Algorithm::ps256:
      return kind == EVP_PKEY_RSA;
    case Algorithm::eddsa:
      return kind == EVP_PKEY_ED25519;
  }
  return false;
}

bool PublicKey::operator==(const PublicKey& other) const noexcept {
  return EVP_PKEY_cmp(impl_->key.get(), other.impl_->key.get()) == 1;
}

bool PublicKey::verify(Algorithm algorithm, std::string_view data,
                       std::string_view signature) const noexcept {
  if (!fits(algorithm)) return false;
  EVP_PKEY* key = impl_->key.get();
  bool good = false;
  if (algorithm == Algorithm::es256) {
    good = verify_es256(key, data, signature);
  } else {
    const ContextPtr context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;  // owned by the context
    const EVP_MD* hash = algorithm == Algorithm::eddsa ? nullptr : EVP_sha256();
    good = EVP_DigestVerifyInit(context.get(), &parameters, hash, nullptr, key) == 1;
    if (good && algorithm == Algorithm::ps256) {  // RFC 7518 section 3.5: the salt is as long as the hash
      good = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, -1) == 1;
    }
    good = good &&
           EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(data), data.size()) == 1;
  }
  ERR_clear_error();
  return good;
}

}  // namespace sallyport::crypto
