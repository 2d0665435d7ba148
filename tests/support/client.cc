#include "tests/support/client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace sallyport::test {

struct Client::Impl {
  int fd = -1;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  bool connected = false;
  bool ended_in_order = false;
  std::string input;
  std::string message;  // what has come since its first byte
  std::string session;

  std::string receive() {
    std::array<char, 16384> block;
    const auto n =
        ssl != nullptr ? SSL_read(ssl, block.data(), block.size()) : recv(fd, block.data(), block.size(), 0);
    if (n <= 0)
      ended_in_order =
          ssl != nullptr ? SSL_get_error(ssl, static_cast<int>(n)) == SSL_ERROR_ZERO_RETURN : n == 0;
    return n > 0 ? std::string(block.data(), static_cast<size_t>(n)) : std::string();
  }
  bool fill() {
    const std::string more = receive();
    input += more;
    message += more;
    return !more.empty();
  }
  // Of the message, what is not input any more.
  std::string taken() const { return message.substr(0, message.size() - input.size()); }
  bool fill_to(size_t size) {
    while (input.size() < size) {
      if (!fill()) return false;
    }
    return true;
  }
  std::string line() {
    size_t end = 0;
    while ((end = input.find("\r\n")) == std::string::npos) {
      if (!fill()) return "";
    }
    std::string out = input.substr(0, end);
    input.erase(0, end + 2);
    return out;
  }
  Response read(bool head);
  void read_chunks(Response& r) {
    for (;;) {
      const size_t size = std::strtoull(line().c_str(), nullptr, 16);
      if (size == 0) break;
      if (!fill_to(size + 2)) {
        r.truncated = true;
        return;
      }
      r.body += input.substr(0, size);
      input.erase(0, size + 2);
    }
    r.truncated = !skip_trailers();
  }
  bool skip_trailers() {
    for (;;) {
      size_t end = 0;
      while ((end = input.find("\r\n")) == std::string::npos) {
        if (!fill()) return false;
      }
      input.erase(0, end + 2);
      if (end == 0) return true;
    }
  }
};

Client::Client(int port, ClientOptions o) : impl_(std::make_unique<Impl>()) {
  Impl& i = *impl_;
  i.fd = socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{10, 0};
  if (o.receive_buffer > 0)
    setsockopt(i.fd, SOL_SOCKET, SO_RCVBUF, &o.receive_buffer, sizeof o.receive_buffer);
  setsockopt(i.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(i.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  i.connected = connect(i.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  if (!o.tls || !i.connected) return;
  i.context = SSL_CTX_new(TLS_method());
  SSL_CTX_set_session_cache_mode(i.context, SSL_SESS_CACHE_CLIENT);
  SSL_CTX_set_app_data(i.context, &i);
  SSL_CTX_sess_set_new_cb(i.context, [](SSL* ssl, SSL_SESSION* session) {
    uint8_t* bytes = nullptr;
    size_t size = 0;
    if (SSL_SESSION_to_bytes(session, &bytes, &size) == 1) {
      static_cast<Impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))
          ->session.assign(reinterpret_cast<char*>(bytes), size);
      OPENSSL_free(bytes);
    }
    return 0;
  });
  if (o.max_version == "1.2") SSL_CTX_set_max_proto_version(i.context, TLS1_2_VERSION);
  if (o.max_version == "1.1") {
    SSL_CTX_set_min_proto_version(i.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(i.context, TLS1_1_VERSION);
  }
  if (!o.alpn.empty())
    SSL_CTX_set_alpn_protos(i.context, reinterpret_cast<const uint8_t*>(o.alpn.data()), o.alpn.size());
  if (!o.cert.empty()) {
    SSL_CTX_use_certificate_chain_file(i.context, o.cert.c_str());
    SSL_CTX_use_PrivateKey_file(i.context, o.key.c_str(), SSL_FILETYPE_PEM);
  }
  i.ssl = SSL_new(i.context);
  if (!o.before_tls.empty() && ::send(i.fd, o.before_tls.data(), o.before_tls.size(), MSG_NOSIGNAL) < 0)
    return;
  SSL_set_fd(i.ssl, i.fd);
  if (!o.server_name.empty()) SSL_set_tlsext_host_name(i.ssl, o.server_name.c_str());
  if (!o.session.empty()) {
    SSL_SESSION* session = SSL_SESSION_from_bytes(reinterpret_cast<const uint8_t*>(o.session.data()),
                                                  o.session.size(), i.context);
    SSL_set_session(i.ssl, session);
    SSL_SESSION_free(session);
  }
  i.connected = SSL_connect(i.ssl) == 1;
  ERR_clear_error();
}

Client::~Client() {
  SSL_free(impl_->ssl);
  SSL_CTX_free(impl_->context);
  if (impl_->fd >= 0) close(impl_->fd);
}

bool Client::connected() const { return impl_->connected; }
bool Client::resumed() const { return SSL_session_reused(impl_->ssl) == 1; }
std::string Client::version() const { return SSL_get_version(impl_->ssl); }
std::string Client::session() const { return impl_->session; }

std::string Client::certificate_name() const {
  X509* certificate = SSL_get_peer_certificate(impl_->ssl);
  std::array<char, 256> name{};
  if (certificate != nullptr)
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  X509_free(certificate);
  return name.data();
}

bool Client::send_raw(const std::string& bytes) {
  return ::send(impl_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}
bool Client::send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const auto n = impl_->ssl != nullptr
                       ? SSL_write(impl_->ssl, bytes.data() + sent, static_cast<int>(bytes.size() - sent))
                       : ::send(impl_->fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

Response Client::read(bool head) {
  impl_->message = impl_->input;
  Response r = impl_->read(head);
  r.raw = impl_->taken();
  return r;
}

Response Client::Impl::read(bool head) {
  Impl& i = *this;
  Response r;
  size_t end = 0;
  while ((end = i.input.find("\r\n\r\n")) == std::string::npos) {
    if (!i.fill()) return r;
  }
  r.head = i.input.substr(0, end + 2);
  i.input.erase(0, end + 4);
  r.status = std::atoi(r.head.substr(9, 3).c_str());
  size_t at = r.head.find("\r\n") + 2;
  while (at < r.head.size()) {
    const size_t line_end = r.head.find("\r\n", at), colon = r.head.find(':', at);
    std::string name = r.head.substr(at, colon - at);
    std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    const std::string value = r.head.substr(colon + 2, line_end - colon - 2);
    std::string& known = r.headers[name];
    known += (known.empty() ? "" : ", ") + value;
    at = line_end + 2;
  }
  if (head || r.status == 204 || r.status == 304 || r.status < 200) return r;
  if (r.header("transfer-encoding") == "chunked") {
    i.read_chunks(r);
  } else if (r.headers.contains("content-length")) {
    const size_t size = std::strtoull(r.header("content-length").c_str(), nullptr, 10);
    r.truncated = !i.fill_to(size);
    r.body = i.input.substr(0, size);
    i.input.erase(0, r.body.size());
  } else {
    while (i.fill()) {
    }
    r.body = std::exchange(i.input, "");
  }
  return r;
}

std::string Client::read_some() {
  if (impl_->input.empty()) impl_->fill();
  impl_->message.clear();
  return std::exchange(impl_->input, "");
}
bool Client::at_end() { return read_some().empty(); }
bool Client::ended_in_order() const { return impl_->ended_in_order; }

void Client::reset() {
  const linger now{1, 0};
  setsockopt(impl_->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(std::exchange(impl_->fd, -1));
}
void Client::half_close() {
  if (impl_->ssl != nullptr) SSL_shutdown(impl_->ssl);
  shutdown(impl_->fd, SHUT_WR);
}

std::string get(const std::string& path, const std::string& headers) {
  return "GET " + path + " HTTP/1.1\r\nHost: api.test\r\n" + headers + "\r\n";
}
std::string post(const std::string& path, const std::string& body, const std::string& headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: api.test\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + headers + "\r\n" + body;
}

}  // namespace sallyport::test
