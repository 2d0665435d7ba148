#include "gateway/net/tls_context.h"

#include <openssl/base.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <utility>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"
#include "gateway/net/tls_internal.h"

namespace sallyport::net {
namespace {

constexpr char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";  // forward secrecy and AEAD only
// What a server chooses from, the best first: a client that offers no more than http/1.0 is served as such.
constexpr uint8_t alpn_both[] = {2,   'h', '2', 8,   'h', 't', 't', 'p', '/', '1', '.',
                                 '1', 8,   'h', 't', 't', 'p', '/', '1', '.', '0'};
constexpr uint8_t alpn_http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1',
                                  8, 'h', 't', 't', 'p', '/', '1', '.', '0'};
constexpr uint8_t alpn_http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";
constexpr size_t bundle_bytes_max = 16 << 20;
constexpr uint32_t session_life_s = 7200;

std::unexpected<Error> bad(std::string detail) {
  ERR_clear_error();
  return fail(Code::invalid_data, "bad_tls_config", std::move(detail));
}

ContextPtr new_context() {
  ContextPtr context(SSL_CTX_new(TLS_method()));
  SSL_CTX* c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION);
  SSL_CTX_set_strict_cipher_list(c, ciphers_12);
#if BORINGSSL_API_VERSION >= 32 && defined(SSL_GROUP_X25519_MLKEM768)
  constexpr uint16_t groups[] = {SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519, SSL_GROUP_SECP256R1};
  SSL_CTX_set1_group_ids(c, groups, std::size(groups));
#else
  SSL_CTX_set1_curves_list(c, "X25519:P-256");
#endif
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

bool use_certificate(SSL_CTX* context, const Certificate::Impl& certificate) {
  if (SSL_CTX_use_certificate(context, certificate.chain.front().get()) != 1) return false;
  if (SSL_CTX_use_PrivateKey(context, certificate.key.get()) != 1) return false;
  for (size_t i = 1; i < certificate.chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, certificate.chain[i].get()) != 1) return false;
  }
  return true;
}

bool trust(SSL_CTX* context, const Authorities& authorities) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  bool all = true;
  for (const X509Ptr& one : authorities.impl().certificates) {
    if (X509_STORE_add_cert(store, one.get()) == 1) continue;
    const bool known = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_CERT_ALREADY_IN_HASH_TABLE;
    all = all && known;  // the same one twice is no harm
  }
  ERR_clear_error();
  return all;
}

std::string digest_of(const std::string& what) {
  const crypto::Digest digest = crypto::sha256(what);
  return {digest.begin(), digest.end()};
}

// A session ends with the first of the certificates that it was let in with: its ticket would let it in
// behind that. Called for each of them, once the chain is good so far; the time is the one by which BoringSSL
// judges.
int end_session_with(int good, X509_STORE_CTX* verified) {
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(verified, SSL_get_ex_data_X509_STORE_CTX_idx()));
  SSL_SESSION* session = good != 1 || ssl == nullptr ? nullptr : SSL_get_session(ssl);
  if (session == nullptr) return good;
  const std::optional<int64_t> left = seconds_left(*X509_STORE_CTX_get_current_cert(verified));
  if (!left) return 0;
  if (*left < SSL_SESSION_get_timeout(session))
    SSL_SESSION_set_timeout(session, static_cast<uint32_t>(*left));
  return good;
}

}  // namespace

std::string admission_by(const TlsServerOptions& options) {
  const bool asks = options.client_certificates != ClientCertificates::off;
  const bool required = options.client_certificates == ClientCertificates::required;
  return digest_of(std::string(options.tls13_only ? "1.3 " : "1.2 ") +
                   (required ? "required"
                    : asks   ? "optional"
                             : "off") +
                   '\0' + (asks ? options.client_authorities->identity() : std::string()));
}

struct TlsServerContext::Impl {
  TlsServerOptions options;
  // The certificates for one name, in the order in which they are tried: ECDSA, whose signatures cost a tenth
  // of those of RSA, before it.
  struct Choice {
    SSL_CTX* context;
    const EVP_PKEY* key;
  };
  using Choices = std::vector<Choice>;
  std::vector<ContextPtr> contexts;                     // one a certificate
  std::map<std::string, Choices, std::less<>> by_name;  // "*.example.com" as it stands
  Choices first;                                        // for a client without a known name
  LiveReader<TicketKeys> tickets;

  explicit Impl(TlsServerOptions o) : options(std::move(o)), tickets(options.tickets) {}

  Result<ContextPtr> make_context(const Certificate& certificate);
  void add_choice(Choices& to, SSL_CTX* context, const Certificate& certificate);
  const Choices& find(const char* server_name) const;
  int crypt_ticket(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac, bool encrypt);

  static Impl& of(SSL* ssl) { return *static_cast<Impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))); }
  static ssl_select_cert_result_t choose_certificate(const SSL_CLIENT_HELLO* hello);
  static int choose_protocol(SSL* ssl, const uint8_t** out, uint8_t* out_length, const uint8_t* in,
                             unsigned in_length, void*);
};

// RFC 5077: our key's name in front; the newest key seals, older ones still open and have the ticket renewed.
int TlsServerContext::Impl::crypt_ticket(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac,
                                         bool encrypt) {
  const TicketKeys* keys = tickets.get();
  if (keys == nullptr || keys->keys.empty()) return encrypt ? -1 : 0;
  const TicketKey* key = &keys->keys.front();
  if (encrypt) {
    std::copy(key->name.begin(), key->name.end(), name);
    RAND_bytes(iv, 16);
  } else {
    auto found = std::ranges::find_if(
        keys->keys, [&](const TicketKey& k) { return std::equal(k.name.begin(), k.name.end(), name); });
    if (found == keys->keys.end()) return 0;
    key = &*found;
  }
  if (HMAC_Init_ex(hmac, key->hmac.data(), key->hmac.size(), EVP_sha256(), nullptr) != 1) return -1;
  if (EVP_CipherInit_ex(cipher, EVP_aes_128_cbc(), nullptr, key->aes.data(), iv, encrypt ? 1 : 0) != 1)
    return -1;
  return encrypt || key == &keys->keys.front() ? 1 : 2;
}

void TlsServerContext::Impl::add_choice(Choices& to, SSL_CTX* context, const Certificate& certificate) {
  const EVP_PKEY* key = certificate.impl().key.get();
  const auto rsa = [](const Choice& c) { return EVP_PKEY_id(c.key) == EVP_PKEY_RSA; };
  const Choice choice{context, key};
  to.insert(rsa(choice) ? to.end() : std::ranges::find_if(to, rsa), choice);
}

const TlsServerContext::Impl::Choices& TlsServerContext::Impl::find(const char* server_name) const {
  if (server_name == nullptr) return first;
  const std::string name = text::to_lower(server_name);
  if (auto exact = by_name.find(name); exact != by_name.end()) return exact->second;
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return first;
  auto wildcard = by_name.find("*" + name.substr(dot));  // one label only (RFC 6125 section 6.4.3)
  return wildcard == by_name.end() ? first : wildcard->second;
}

// Before anything else of the hello is looked at, so that the choice may depend on all of it.
ssl_select_cert_result_t TlsServerContext::Impl::choose_certificate(const SSL_CLIENT_HELLO* hello) {
  SSL* ssl = hello->ssl;
  const Choices& choices = of(ssl).find(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  auto chosen = choices.begin();
  if (choices.size() > 1) {
    chosen = std::ranges::find_if(choices, [&](const Choice& c) { return can_check(*hello, *c.key); });
    if (chosen == choices.end()) chosen = choices.begin();  // the handshake fails, and says why
  }
  SSL_set_SSL_CTX(ssl, chosen->context);
  return ssl_select_cert_success;
}

int TlsServerContext::Impl::choose_protocol(SSL* ssl, const uint8_t** out, uint8_t* out_length,
                                            const uint8_t* in, unsigned in_length, void*) {
  const std::span<const uint8_t> ours =
      of(ssl).options.http2 ? std::span<const uint8_t>(alpn_both) : std::span<const uint8_t>(alpn_http1);
  const int chosen = SSL_select_next_proto(const_cast<uint8_t**>(out), out_length, ours.data(),
                                           static_cast<unsigned>(ours.size()), in, in_length);
  return chosen == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                          : SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2
}

Result<ContextPtr> TlsServerContext::Impl::make_context(const Certificate& certificate) {
  ContextPtr context = new_context();
  SSL_CTX* c = context.get();
  SSL_CTX_set_app_data(c, this);
  if (options.tls13_only) SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
  if (!use_certificate(c, certificate.impl()))
    return bad("the certificate cannot be used: " + ssl_error_text());
  SSL_CTX_set_select_certificate_cb(c, &Impl::choose_certificate);
  SSL_CTX_set_alpn_select_cb(c, &Impl::choose_protocol, nullptr);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);  // tickets carry the sessions
  SSL_CTX_set_timeout(c, session_life_s);
  SSL_CTX_set_session_psk_dhe_timeout(c, session_life_s);
  // A session is resumed only where it would have been let in anew: ticket keys are shared by all listeners,
  // and one made without a client's certificate, or with one of other authorities, must not open a listener
  // that asks for it.
  const std::string admission = admission_by(options);
  SSL_CTX_set_session_id_context(c, reinterpret_cast<const uint8_t*>(admission.data()), admission.size());
  SSL_CTX_set_tlsext_ticket_key_cb(
      c, [](SSL* ssl, uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac, int encrypt) {
        return of(ssl).crypt_ticket(name, iv, cipher, hmac, encrypt == 1);
      });
  if (options.client_certificates == ClientCertificates::off) return context;
  if (contexts.empty()) {
    if (!trust(c, *options.client_authorities)) return bad("the authorities of clients cannot be used");
  } else {  // what has been made of many authorities serves all certificates
    X509_STORE* trusted = SSL_CTX_get_cert_store(contexts.front().get());
    X509_STORE_up_ref(trusted);
    SSL_CTX_set_cert_store(c, trusted);
  }
  STACK_OF(CRYPTO_BUFFER)* names = sk_CRYPTO_BUFFER_new_null();
  for (const BufferPtr& one : options.client_authorities->impl().names) {
    CRYPTO_BUFFER_up_ref(one.get());
    sk_CRYPTO_BUFFER_push(names, one.get());
  }
  SSL_CTX_set0_client_CAs(c, names);
  const bool required = options.client_certificates == ClientCertificates::required;
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     &end_session_with);
  return context;
}

TlsServerContext::TlsServerContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServerContext::~TlsServerContext() = default;
ssl_ctx_st* TlsServerContext::raw() const noexcept { return impl_->contexts.front().get(); }

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::make(TlsServerOptions options) {
  if (options.tickets == nullptr) options.tickets = std::make_shared<Live<TicketKeys>>();
  auto impl = std::make_unique<Impl>(std::move(options));
  if (impl->options.certificates.empty()) return bad("a listener with TLS needs a certificate");
  for (const auto& certificate : impl->options.certificates) {
    Result<ContextPtr> context = impl->make_context(*certificate);
    if (!context) return std::unexpected(std::move(context.error()));
    for (const std::string& name : certificate->names())
      impl->add_choice(impl->by_name[name], context->get(), *certificate);
    impl->contexts.push_back(std::move(*context));
  }
  const Certificate& front = *impl->options.certificates.front();
  if (front.names().empty()) {
    impl->add_choice(impl->first, impl->contexts.front().get(), front);
  } else {
    impl->first = impl->by_name[front.names().front()];
  }
  return std::make_shared<TlsServerContext>(std::move(impl));
}

struct TlsClientContext::Impl {
  ContextPtr context;
  bool verify = true;
  std::string identity = "any";  // server
};

TlsClientContext::TlsClientContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClientContext::~TlsClientContext() = default;
ssl_ctx_st* TlsClientContext::raw() const noexcept { return impl_->context.get(); }
bool TlsClientContext::verify() const noexcept { return impl_->verify; }
const std::string& TlsClientContext::identity() const noexcept { return impl_->identity; }

Result<std::shared_ptr<const TlsClientContext>> TlsClientContext::make(TlsClientOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->context = new_context();
  impl->verify = options.verify;
  SSL_CTX* c = impl->context.get();
  SSL_CTX_set_alpn_protos(c, alpn_http11, sizeof alpn_http11);
  const bool own = !options.ca_file.empty();
  std::string pem;
  if (own || options.verify) {
    Result<std::string> read = read_file(own ? options.ca_file : system_bundle, bundle_bytes_max);
    if (!read && own) return std::unexpected(std::move(read.error()));
    pem = std::move(read).value_or("");
  }
  if (options.verify) {
    const auto authorities = Authorities::read(pem);
    if (authorities == nullptr || !trust(c, *authorities)) {
      return bad(own ? "the ca file holds no PEM certificate, or a broken one"
                     : std::string("there is no system bundle of authorities at ") + system_bundle +
                           "; name a ca file");
    }
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
    impl->identity = authorities->identity();
  }
  return std::make_shared<const TlsClientContext>(std::move(impl));
}

std::shared_ptr<const TicketKeys> TicketKeys::rotated(const TicketKeys* old, size_t kept_max) {
  auto next = std::make_shared<TicketKeys>();
  TicketKey fresh;
  RAND_bytes(fresh.name.data(), fresh.name.size());
  RAND_bytes(fresh.aes.data(), fresh.aes.size());
  RAND_bytes(fresh.hmac.data(), fresh.hmac.size());
  next->keys.push_back(fresh);
  if (old != nullptr) {
    for (const TicketKey& key : old->keys) {
      if (next->keys.size() < kept_max) next->keys.push_back(key);
    }
  }
  return next;
}

std::string tls_library() { return "BoringSSL API " + std::to_string(BORINGSSL_API_VERSION); }

}  // namespace sallyport::net
