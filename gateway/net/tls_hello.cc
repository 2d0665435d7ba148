// What a ClientHello says about the certificates that its sender can check.
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#include <algorithm>
#include <initializer_list>
#include <span>

#include "gateway/net/tls_internal.h"

namespace sallyport::net {
namespace {

// The list of 16-bit numbers in an extension, behind `prefix` bytes of its length; empty if it is not there.
std::span<const uint8_t> list_in(const SSL_CLIENT_HELLO& hello, uint16_t extension, size_t prefix) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (SSL_early_callback_ctx_extension_get(&hello, extension, &data, &size) != 1 || size < prefix) return {};
  return {data + prefix, size - prefix};
}

bool has_any(std::span<const uint8_t> list, std::initializer_list<uint16_t> wanted) {
  for (size_t i = 0; i + 1 < list.size(); i += 2) {
    const auto value = static_cast<uint16_t>(list[i] << 8 | list[i + 1]);
    if (std::ranges::find(wanted, value) != wanted.end()) return true;
  }
  return false;
}

// The scheme that TLS 1.3 ties to the key's curve (RFC 8446 section 4.2.3); 0: none.
uint16_t ecdsa_scheme(const EVP_PKEY& key) {
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(&key);
  switch (ec == nullptr ? NID_undef : EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) {
    case NID_X9_62_prime256v1:
      return SSL_SIGN_ECDSA_SECP256R1_SHA256;
    case NID_secp384r1:
      return SSL_SIGN_ECDSA_SECP384R1_SHA384;
    case NID_secp521r1:
      return SSL_SIGN_ECDSA_SECP521R1_SHA512;
    default:
      return 0;
  }
}

}  // namespace

bool can_check(const SSL_CLIENT_HELLO& hello, const EVP_PKEY& key) {
  const auto schemes = list_in(hello, TLSEXT_TYPE_signature_algorithms, 2);
  const bool tls13 = has_any(list_in(hello, TLSEXT_TYPE_supported_versions, 1), {TLS1_3_VERSION});
  const std::span<const uint8_t> suites(hello.cipher_suites, hello.cipher_suites_len);
  if (EVP_PKEY_id(&key) == EVP_PKEY_RSA) {
    const bool pss = has_any(
        schemes, {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA512});
    if (tls13) return pss;
    // ECDHE_RSA with AES-GCM or ChaCha20-Poly1305
    return has_any(suites, {0xc02f, 0xc030, 0xcca8}) &&
           (pss || has_any(schemes, {SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_RSA_PKCS1_SHA384,
                                     SSL_SIGN_RSA_PKCS1_SHA512}));
  }
  const uint16_t scheme = ecdsa_scheme(key);
  if (scheme == 0 || !has_any(schemes, {scheme})) return false;
  return tls13 || has_any(suites, {0xc02b, 0xc02c, 0xcca9});  // ECDHE_ECDSA with the same
}

}  // namespace sallyport::net
