// Certificates in PEM (RFC 7468). Any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

struct x509_st;

namespace sallyport::crypto {

struct FreeX509 {
  void operator()(x509_st* certificate) const noexcept;
};
using X509Ptr = std::unique_ptr<x509_st, FreeX509>;

// All certificates of a text; empty if there is none or one is broken.
std::vector<X509Ptr> read_certificates(std::string_view pem);

}  // namespace sallyport::crypto
