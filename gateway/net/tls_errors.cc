#include <openssl/err.h>

#include "gateway/net/tls_internal.h"

namespace sallyport::net {

std::string ssl_error_text() {
  const uint32_t error = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "unknown" : reason;
}

std::string_view handshake_failure_reason() {
  const uint32_t error = ERR_peek_error();
  ERR_clear_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return "protocol_error";
  switch (ERR_GET_REASON(error)) {
    case SSL_R_NO_SHARED_CIPHER:
      return "no_shared_cipher";
    case SSL_R_NO_SHARED_GROUP:
      return "no_shared_group";
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
      return "no_shared_signature_algorithm";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
      return "unsupported_version";
    case SSL_R_WRONG_VERSION_NUMBER:
      return "not_tls";
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "plain_http";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "no_shared_protocol";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "no_client_certificate";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return "bad_certificate";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "certificate_refused_by_peer";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return "refused_by_peer";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "version_refused_by_peer";
    case SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED:
      return "certificate_wanted_by_peer";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return "protocol_refused_by_peer";
    default:
      return ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET ? "alert_from_peer" : "protocol_error";
  }
}

std::string_view handshake_failure_detail(std::string_view reason) {
  if (reason == "not_tls") return "what came is no TLS";
  if (reason == "protocol_refused_by_peer")
    return "the other side speaks none of the protocols that it was offered (ALPN)";
  return "the TLS handshake failed";
}

}  // namespace sallyport::net
