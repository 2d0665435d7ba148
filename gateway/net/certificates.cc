#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/net/tls_internal.h"

namespace sallyport::net {
namespace {

constexpr int rsa_bits_min = 2048;

// There is nobody to ask for a pass phrase.
int no_pass_phrase(char*, int, int, void*) { return -1; }

std::vector<std::string> names_of(X509* leaf) {
  std::vector<std::string> names;
  const NamesPtr san(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  const size_t count = san == nullptr ? 0 : sk_GENERAL_NAME_num(san.get());
  for (size_t i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(san.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    names.push_back(text::to_lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                    static_cast<size_t>(ASN1_STRING_length(text))}));
  }
  return names;
}

// A server's certificate has no list of purposes, or one with serverAuth on it (RFC 5280 section 4.2.1.12).
bool is_for_servers(X509* leaf) {
  const PurposesPtr purposes(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(leaf, NID_ext_key_usage, nullptr, nullptr)));
  if (purposes == nullptr) return true;
  for (size_t i = 0; i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
    const int purpose = OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes.get(), i));
    if (purpose == NID_server_auth || purpose == NID_anyExtendedKeyUsage) return true;
  }
  return false;
}

// What clients of today refuse; empty: nothing.
std::string weakness_of(X509* leaf, const EVP_PKEY* key) {
  if (EVP_PKEY_id(key) == EVP_PKEY_RSA && EVP_PKEY_bits(key) < rsa_bits_min) {
    return "the RSA key of " + std::to_string(EVP_PKEY_bits(key)) +
           " bits is too weak: clients refuse less than " + std::to_string(rsa_bits_min);
  }
  const int nid = X509_get_signature_nid(leaf);
  if (nid == NID_sha1WithRSAEncryption || nid == NID_ecdsa_with_SHA1 || nid == NID_md5WithRSAEncryption)
    return "the certificate is signed with SHA-1 or MD5, which clients refuse";
  return "";
}

Wall time_of(const ASN1_TIME* time) {
  int days = 0, rest = 0;
  ASN1_TIME* epoch = ASN1_TIME_set(nullptr, 0);
  const bool known = ASN1_TIME_diff(&days, &rest, epoch, time) == 1;
  ASN1_TIME_free(epoch);
  return Wall(known ? seconds(int64_t{days} * 86400 + rest) : seconds(0));
}

std::unexpected<Error> bad(std::string detail, std::string_view reason = "bad_certificate") {
  ERR_clear_error();
  return fail(Code::invalid_data, reason, std::move(detail));
}

}  // namespace

std::optional<int64_t> seconds_left(const X509& certificate) {
  int days = 0, rest = 0;
  if (ASN1_TIME_diff(&days, &rest, nullptr, X509_get0_notAfter(&certificate)) != 1) return std::nullopt;
  return std::max<int64_t>(int64_t{days} * 86'400 + rest, 0);
}

Certificate::Certificate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Certificate::~Certificate() = default;
Wall Certificate::not_before() const noexcept { return impl_->not_before; }
Wall Certificate::not_after() const noexcept { return impl_->not_after; }
const std::vector<std::string>& Certificate::names() const noexcept { return impl_->names; }

Result<std::shared_ptr<const Certificate>> Certificate::read(const std::string& chain_pem,
                                                             const std::string& key_pem) {
  auto impl = std::make_unique<Impl>();
  impl->chain = crypto::read_certificates(chain_pem);
  if (impl->chain.empty()) return bad("the certificate file holds no PEM certificate, or a broken one");
  const BioPtr bio(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  impl->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_pass_phrase, nullptr));
  if (impl->key == nullptr) {
    const bool encrypted = key_pem.find("ENCRYPTED") != std::string::npos;
    return bad(encrypted ? "the key is encrypted; give it without a pass phrase, readable by this user only"
                         : "the key file holds no PEM private key, or a broken one",
               bad_key);
  }
  X509* leaf = impl->chain.front().get();
  if (X509_check_private_key(leaf, impl->key.get()) != 1)
    return bad("the key does not belong to the certificate", bad_key);
  if (!is_for_servers(leaf))
    return bad("the certificate is not for servers: its extended key usage lacks serverAuth");
  if (std::string weakness = weakness_of(leaf, impl->key.get()); !weakness.empty())
    return bad(std::move(weakness));
  impl->names = names_of(leaf);
  impl->not_before = time_of(X509_get0_notBefore(leaf));
  impl->not_after = time_of(X509_get0_notAfter(leaf));
  ERR_clear_error();
  return std::make_shared<const Certificate>(std::move(impl));
}

Authorities::Authorities(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Authorities::~Authorities() = default;
const std::string& Authorities::identity() const noexcept { return impl_->identity; }

std::shared_ptr<const Authorities> Authorities::read(const std::string& pem) {
  auto impl = std::make_unique<Impl>();
  impl->certificates = crypto::read_certificates(pem);
  if (impl->certificates.empty()) return nullptr;
  for (const X509Ptr& one : impl->certificates) {
    uint8_t* der = nullptr;
    const int size = i2d_X509_NAME(X509_get_subject_name(one.get()), &der);
    if (size < 0) return nullptr;
    impl->names.emplace_back(CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr));
    OPENSSL_free(der);
  }
  const crypto::Digest digest = crypto::digest_of_set(impl->certificates);
  impl->identity.assign(digest.begin(), digest.end());
  return std::make_shared<const Authorities>(std::move(impl));
}

}  // namespace sallyport::net
