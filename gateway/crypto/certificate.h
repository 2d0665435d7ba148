// Certificates in PEM (RFC 7468). Any thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gateway/crypto/hash.h"

struct x509_st;

namespace sallyport::crypto {

struct FreeX509 {
  void operator()(x509_st* certificate) const noexcept;
};
using X509Ptr = std::unique_ptr<x509_st, FreeX509>;

// All certificates of a text; empty if there is none or one is broken.
std::vector<X509Ptr> read_certificates(std::string_view pem);
// Equal for the same certificates, in whatever order and text, and however often each of them stands there.
Digest digest_of_set(std::span<const X509Ptr> certificates);

}  // namespace sallyport::crypto
