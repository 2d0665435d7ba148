#include "gateway/crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace sallyport::crypto {

bool holds_certificates(std::string_view pem) {
  BIO* text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  size_t count = 0;
  while (X509* one = PEM_read_bio_X509(text, nullptr, nullptr, nullptr)) {
    X509_free(one);
    ++count;
  }
  const uint32_t error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  BIO_free(text);
  return at_end && count > 0;
}

}  // namespace sallyport::crypto
