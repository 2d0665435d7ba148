// TLS contexts: certificates, versions and tickets as BoringSSL holds them. BoringSSL stays behind this
// header.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/live.h"

struct ssl_ctx_st;

namespace sallyport::net {

// One key that session tickets are sealed with (RFC 5077; BoringSSL's ticket callback: AES-128-CBC,
// HMAC-SHA-256).
struct TicketKey {
  std::array<uint8_t, 16> name{};
  std::array<uint8_t, 16> aes{};
  std::array<uint8_t, 16> hmac{};
};
// The newest first; older ones still open tickets. Shared by all workers, rotated by the main thread.
struct TicketKeys {
  std::vector<TicketKey> keys;
  // A fresh key in front, at most kept_max in all. Random bytes from the system.
  static std::shared_ptr<const TicketKeys> rotated(const TicketKeys* old, size_t kept_max = 3);
};

// The reason of an error that is the private key's.
inline constexpr std::string_view bad_key = "bad_key";

// A certificate chain and its key, read and checked: the chain parses, the key matches, and a client can
// accept it: neither weak nor for other purposes. Whether its time has come is left to the caller. Immutable;
// any thread.
class Certificate {
 public:
  // PEM. Errors: invalid_data with a detail such as "the key does not belong to the certificate".
  static Result<std::shared_ptr<const Certificate>> read(const std::string& chain_pem,
                                                         const std::string& key_pem);
  Wall not_before() const noexcept;
  Wall not_after() const noexcept;
  const std::vector<std::string>& names()
      const noexcept;  // DNS names of the SAN, lower case, "*.x" as it stands
  struct Impl;
  explicit Certificate(std::unique_ptr<Impl> impl);
  ~Certificate();
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Certificates of authorities, read once for all contexts that trust them. Immutable; any thread.
class Authorities {
 public:
  // PEM. Null if there is no certificate, or a broken one.
  static std::shared_ptr<const Authorities> read(const std::string& pem);
  // Equal for the same authorities, in whatever order they are.
  const std::string& identity() const noexcept;
  struct Impl;
  explicit Authorities(std::unique_ptr<Impl> impl);
  ~Authorities();
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

enum class ClientCertificates : uint8_t { off, optional, required };

struct TlsServerOptions {
  std::vector<std::shared_ptr<const Certificate>>
      certificates;  // by name; of several for one name the best that the client can check; the first serves
                     // a client without a known name
  bool tls13_only = false;
  bool http2 = true;  // h2 is chosen if the client offers it (ALPN), before http/1.1
  ClientCertificates client_certificates = ClientCertificates::off;
  std::shared_ptr<const Authorities> client_authorities;  // null only where clients are not asked
  std::shared_ptr<const Live<TicketKeys>> tickets;        // null, or no key yet: sessions are not resumed
};

// Equal where the same clients are let in: by version, and by certificates of the same authorities.
std::string admission_by(const TlsServerOptions& options);

// What a listener's connections share; one a worker and listener. TLS 1.2 (ECDHE and AEAD only) and 1.3, ALPN
// h2, http/1.1 and http/1.0.
class TlsServerContext {
 public:
  static Result<std::shared_ptr<TlsServerContext>> make(TlsServerOptions options);
  ssl_ctx_st* raw() const noexcept;
  struct Impl;
  explicit TlsServerContext(std::unique_ptr<Impl> impl);
  ~TlsServerContext();

 private:
  std::unique_ptr<Impl> impl_;
};

struct TlsClientOptions {
  bool verify = true;
  std::string ca_file;  // of authorities, in PEM; empty: the system's bundle
};
class TlsClientContext {
 public:
  // Reads the file. Errors: of read_file; invalid_data, if it holds no authority.
  static Result<std::shared_ptr<const TlsClientContext>> make(TlsClientOptions options);
  ssl_ctx_st* raw() const noexcept;
  bool verify() const noexcept;
  // Equal where the same servers are trusted: a key for what connects with them.
  const std::string& identity() const noexcept;
  struct Impl;
  explicit TlsClientContext(std::unique_ptr<Impl> impl);
  ~TlsClientContext();

 private:
  std::unique_ptr<Impl> impl_;
};

// "BoringSSL API 17": for `sallyport version`.
std::string tls_library();

}  // namespace sallyport::net
