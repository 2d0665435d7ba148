#include "gateway/crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <set>
#include <string>

namespace sallyport::crypto {
namespace {

int no_pass_phrase(char*, int, int, void*) { return -1; }  // nobody is asked for one

}  // namespace

void FreeX509::operator()(x509_st* certificate) const noexcept { X509_free(certificate); }

std::vector<X509Ptr> read_certificates(std::string_view pem) {
  std::vector<X509Ptr> all;
  BIO* text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  while (X509* one = PEM_read_bio_X509(text, nullptr, &no_pass_phrase, nullptr)) all.emplace_back(one);
  BIO_free(text);
  const uint32_t error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) all.clear();
  return all;
}

Digest digest_of_set(std::span<const X509Ptr> certificates) {
  std::set<Digest> each;
  for (const X509Ptr& one : certificates) {
    uint8_t* der = nullptr;
    const int length = i2d_X509(one.get(), &der);
    if (length > 0) each.insert(sha256({reinterpret_cast<const char*>(der), static_cast<size_t>(length)}));
    OPENSSL_free(der);
  }
  std::string all;
  for (const Digest& digest : each) all.append(digest.begin(), digest.end());
  return sha256(all);
}

}  // namespace sallyport::crypto
