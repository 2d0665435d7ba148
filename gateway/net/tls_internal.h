// What the TLS files share of BoringSSL. For net/tls* and net/certificates only.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/crypto/certificate.h"
#include "gateway/net/tls_context.h"

namespace sallyport::net {

template <auto Free>
struct SslDeleter {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using crypto::X509Ptr;
using KeyPtr = std::unique_ptr<EVP_PKEY, SslDeleter<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, SslDeleter<BIO_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, SslDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, SslDeleter<SSL_free>>;
using PurposesPtr = std::unique_ptr<EXTENDED_KEY_USAGE, SslDeleter<EXTENDED_KEY_USAGE_free>>;
using BufferPtr = std::unique_ptr<CRYPTO_BUFFER, SslDeleter<CRYPTO_BUFFER_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, SslDeleter<GENERAL_NAMES_free>>;

struct Certificate::Impl {
  std::vector<X509Ptr> chain;  // the leaf first
  KeyPtr key;
  std::vector<std::string> names;
  Wall not_before{}, not_after{};
};

struct Authorities::Impl {
  std::vector<X509Ptr> certificates;  // at least one
  std::vector<BufferPtr> names;       // their subjects, in DER, as clients are told them
  std::string identity;
};

// True if whoever sent this hello can check a signature made with the key.
bool can_check(const SSL_CLIENT_HELLO& hello, const EVP_PKEY& key);

// Until it ends, by the clock by which BoringSSL judges it; 0 behind that. Nothing: its end cannot be read.
std::optional<int64_t> seconds_left(const X509& certificate);

// The reason of the oldest error on BoringSSL's queue, in words; empties the queue.
std::string ssl_error_text();

// A slug with static storage for the failure of a handshake, from the same queue; empties it.
std::string_view handshake_failure_reason();
// What such a slug means, where no certificate was judged.
std::string_view handshake_failure_detail(std::string_view reason);

}  // namespace sallyport::net
