#include "gateway/net/tls_stream.h"

#include <openssl/err.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/net/tls_internal.h"

namespace sallyport::net {
namespace {

constexpr uint8_t alpn_h2[] = {2, 'h', '2'};

constexpr size_t record_max = 16 * 1024;  // of plaintext (RFC 8446 section 5.1)
constexpr size_t out_max = 96 * 1024;
constexpr size_t hello_bytes = 8 * 1024;  // more than a client without a long chain sends in a handshake
constexpr size_t read_min = 2048;         // less room than this is made larger, as far as the limit allows

// What all connections of a thread share: raw bytes that are empty again when a callback returns.
struct Scratch {
  std::array<char, 64 * 1024> in;
  std::array<char, out_max> out;
  size_t out_size = 0;
  std::array<char, record_max> plain;
};
Scratch& scratch() {
  thread_local const std::unique_ptr<Scratch> here = std::make_unique<Scratch>();
  return *here;
}

TlsStream& stream_of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

const BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "sallyport");
    BIO_meth_set_read(m, [](BIO* bio, char* to, int most) {
      BIO_clear_retry_flags(bio);
      const int taken = stream_of(bio).take_ciphertext(to, most);
      if (taken <= 0) BIO_set_retry_read(bio);
      return taken > 0 ? taken : -1;
    });
    BIO_meth_set_write(
        m, [](BIO* bio, const char* from, int count) { return stream_of(bio).give_ciphertext(from, count); });
    BIO_meth_set_ctrl(
        m, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
    BIO_meth_set_create(m, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return m;
  }();
  return method;
}

bool is_address(const std::string& host) {
  std::array<char, 16> address;
  return uv_inet_pton(AF_INET, host.c_str(), address.data()) == 0 ||
         uv_inet_pton(AF_INET6, host.c_str(), address.data()) == 0;
}

}  // namespace

TlsStream::TlsStream(Loop& loop, std::unique_ptr<Socket> socket, ssl_st* ssl)
    : Stream(loop),
      socket_(std::move(socket)),
      ssl_(ssl),
      kept_(loop.blocks()),
      inside_(loop.blocks(), objects_bytes) {
  BIO* bio = BIO_new(bio_method());
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_shed_handshake_config(ssl_, 1);
  socket_->set_owner(this);
}

TlsStream::~TlsStream() {
  SSL_free(ssl_);
  ERR_clear_error();
}

std::unique_ptr<TlsStream> TlsStream::server(Loop& loop, AcceptedSocket socket,
                                             std::shared_ptr<TlsServerContext> context) {
  SSL* ssl = SSL_new(context->raw());
  SSL_set_accept_state(ssl);
  std::unique_ptr<TlsStream> stream(new TlsStream(loop, socket.take(), ssl));
  stream->context_ = std::move(context);
  return stream;
}

std::unique_ptr<TlsStream> TlsStream::client(Loop& loop, std::unique_ptr<Socket> socket,
                                             const TlsClientContext& context, const std::string& server_name,
                                             bool http2) {
  SSL* ssl = SSL_new(context.raw());
  SSL_set_connect_state(ssl);
  if (http2) SSL_set_alpn_protos(ssl, alpn_h2, sizeof alpn_h2);
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl);
  // Only names of the SAN count, not the subject's common name (RFC 9525 section 2).
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  bool named = !server_name.empty();  // BoringSSL takes an empty name for "any"
  if (is_address(server_name)) {
    named = X509_VERIFY_PARAM_set1_ip_asc(expected, server_name.c_str()) == 1;
  } else if (named) {
    SSL_set_tlsext_host_name(ssl, server_name.c_str());
    named = X509_VERIFY_PARAM_set1_host(expected, server_name.c_str(), server_name.size()) == 1;
  }
  std::unique_ptr<TlsStream> stream(new TlsStream(loop, std::move(socket), ssl));
  if (context.verify() && !named) {
    stream->end_handshake(sallyport::fail(Code::tls_failed, "bad_server_name", "there is no name to verify"));
  }
  return stream;
}

std::string TlsStream::version() const { return SSL_get_version(ssl_); }
bool TlsStream::resumed() const noexcept { return SSL_session_reused(ssl_) == 1; }

std::optional<Duration> TlsStream::client_certificate_left() const {
  constexpr int64_t most = 10LL * 365 * 86'400;  // of what lasts longer nobody sees the end
  const STACK_OF(X509)* shown = SSL_get_peer_full_cert_chain(ssl_);
  if (shown == nullptr || sk_X509_num(shown) == 0) return std::nullopt;
  int64_t left = std::min(most, seconds_left(*sk_X509_value(shown, 0)).value_or(0));
  for (size_t i = 1; i < sk_X509_num(shown); ++i) {
    const int64_t other = seconds_left(*sk_X509_value(shown, i)).value_or(0);
    if (other > 0) left = std::min(left, other);  // what has ended has vouched for nobody
  }
  return seconds(left);
}

std::string TlsStream::protocol() const {
  const uint8_t* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

int TlsStream::take_ciphertext(char* to, int most) noexcept {
  const size_t count = std::min(arrived_.size(), static_cast<size_t>(most));
  if (count > 0) std::memcpy(to, arrived_.data(), count);
  arrived_.remove_prefix(count);
  unread_ += count;
  missing_ = static_cast<size_t>(most) - count;
  return static_cast<int>(count);
}

int TlsStream::give_ciphertext(const char* from, int count) {
  Scratch& s = scratch();
  const auto size = static_cast<size_t>(count);
  if (s.out_size + size > s.out.size() && !flush()) return -1;
  if (size > s.out.size()) return -1;
  std::memcpy(s.out.data() + s.out_size, from, size);
  s.out_size += size;
  return count;
}

Result<void> TlsStream::flush() {
  Scratch& s = scratch();
  const Slice bytes(s.out.data(), std::exchange(s.out_size, 0));
  if (bytes.empty()) return {};
  Result<void> sent = socket_->write(std::span<const Slice>(&bytes, 1));
  if (!sent) send_failure_ = sent.error();
  return sent;
}

Task<Result<void>> TlsStream::handshake(Monotonic deadline) {
  if (shaking_) {
    socket_->start_reading();
    step_handshake();
  }
  if (shaking_) {
    Result<bool> over = co_await more(deadline);
    if (shaking_ && !over) co_return fail(Code::timed_out, "timeout", "the TLS handshake took too long");
  }
  if (!shaken_) note_failure(shaken_.error());
  co_return shaken_;
}

void TlsStream::step_handshake() {
  const int status = SSL_do_handshake(ssl_);
  const int error = status == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_, status);
  const bool failed_now = error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ;
  Result<void> result;
  if (failed_now) {
    const std::string_view reason = handshake_failure_reason();
    std::string detail(handshake_failure_detail(reason));
    const long verdict = SSL_get_verify_result(ssl_);
    const bool judged = verdict != X509_V_ERR_INVALID_CALL;  // what it is before a certificate has come
    if (judged && verdict != X509_V_OK) detail = X509_verify_cert_error_string(verdict);
    result = sallyport::fail(Code::tls_failed, reason, std::move(detail));
  }
  Result<void> sent = flush();  // an alert, too
  if (!failed_now && !sent) result = std::unexpected(std::move(sent.error()));
  if (error != SSL_ERROR_WANT_READ || !result) return end_handshake(std::move(result));
  weigh();
  if (unread_ > hello_bytes && loop_.blocks().pressure() == Pressure::full)
    end_handshake(sallyport::fail(Code::overloaded, "memory_full", "no memory is left for its handshake"));
}

void TlsStream::end_handshake(Result<void> result) {
  shaking_ = false;
  shaken_ = std::move(result);
  if (!shaken_) return;
  unread_ = 0;
  const Pumped pumped = pump(input_limit());
  if (pumped.broken) return note_failure(std::move(broken_by_));  // whoever reads next hears of it
  // BoringSSL sends its tickets with our first bytes only: a client that waits for a sign gets one.
  if (context_ != nullptr && !pumped.grew) socket_->acknowledge_now();
}

void TlsStream::tell_handshake() {
  if (shaking_) return;
  if (shaken_) return input_grew();
  failed(shaken_.error());
}

std::span<char> TlsStream::on_alloc() {
  const size_t limit = input_limit();
  if (input_.size() >= limit) {
    reading_stopped_ = true;
    return {};
  }
  if (!kept_.empty()) {
    const std::span<char> room = kept_.writable(std::min(record_max, limit));
    arrived_ = kept_.readable();  // it may have moved, and perhaps nothing is read into the room
    return room;
  }
  const BlockPool& blocks = loop_.blocks();
  const bool short_of_memory = blocks.pressure() >= Pressure::much;
  return std::span(scratch().in).first(short_of_memory ? std::min(limit, blocks.bytes_at_once()) : limit);
}

void TlsStream::on_read(size_t bytes) {
  if (kept_.empty()) {
    arrived_ = {scratch().in.data(), bytes};
  } else {
    kept_.commit(bytes);
    arrived_ = kept_.readable();
  }
  if (shaking_) {
    step_handshake();
    keep_rest();
    return tell_handshake();
  }
  const Pumped pumped = pump(input_limit());
  keep_rest();
  tell(pumped);
}

void TlsStream::tell(Pumped pumped) {
  if (pumped.broken) return failed(std::move(broken_by_), pumped.grew);
  // An end behind it is told to who asks for more; if nobody does, to the owner.
  if (pumped.grew && pumped.ended && has_reader()) loop_.before_wait(*this);
  if (pumped.grew && (!pumped.ended || has_reader())) return input_grew();
  if (pumped.ended) return input_ended();
}

// What BoringSSL has not taken stays with the connection.
void TlsStream::keep_rest() {
  if (kept_.empty()) {
    kept_.append(arrived_);
  } else {
    kept_.consume(kept_.size() - arrived_.size());
    if (kept_.empty()) kept_.release();
  }
  arrived_ = kept_.readable();
}

// Decrypts as long as there is ciphertext and room.
TlsStream::Pumped TlsStream::pump(size_t limit) {
  Pumped result;
  while (!ended_ && !broken() && input_.size() < limit) {
    const size_t most = limit - input_.size();
    const size_t wanted = std::clamp(arrived_.size(), read_min, record_max);
    std::span<char> room = input_.writable(std::min(input_.empty() ? wanted : read_min, most));
    room = room.first(std::min(room.size(), most));
    const int count = SSL_read(ssl_, room.data(), static_cast<int>(room.size()));
    if (count > 0) {
      input_.commit(static_cast<size_t>(count));
      unread_ = 0;
      result.grew = true;
      if (arrived_.empty() && !fin_ && SSL_has_pending(ssl_) == 0) break;  // there is nothing more
      continue;
    }
    const int error = SSL_get_error(ssl_, count);
    if (error == SSL_ERROR_WANT_READ && !fin_) break;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN) {
      ended_ = result.ended = true;
      truncated_ = error == SSL_ERROR_WANT_READ;
    } else {
      result.broken = true;
      broken_by_ = {Code::tls_failed, "tls_error", ssl_error_text()};
    }
    break;
  }
  if (ended_ || broken() || result.broken) arrived_ = {};  // nobody will read what comes behind that
  if (input_.empty()) input_.release();
  weigh();
  Result<void> sent = flush();  // an alert, a key update
  if (!sent && !result.broken) {
    result.broken = true;
    broken_by_ = std::move(sent.error());
  }
  return result;
}

void TlsStream::want_input() {
  if (!shaking_ && (!arrived_.empty() || fin_ || SSL_pending(ssl_) > 0)) {
    const Pumped pumped = pump(input_max);
    keep_rest();
    if (pumped.broken) note_failure(std::move(broken_by_));
  }
  if (!fin_ && std::exchange(reading_stopped_, false)) socket_->start_reading();
}

void TlsStream::on_read_end() {
  fin_ = true;
  if (shaking_) {
    end_handshake(
        sallyport::fail(Code::connection_reset, "closed_by_peer", "the peer closed in the handshake"));
    return tell_handshake();
  }
  const Pumped pumped =
      pump(input_limit());  // what stands before the end comes first, as far as there is room
  keep_rest();
  tell(pumped);
}

void TlsStream::on_broken(Error error) {
  if (!shaking_) return failed(std::move(error));
  end_handshake(std::unexpected(std::move(error)));
  tell_handshake();
}

Result<void> TlsStream::encrypt(Slice plain) {
  while (!plain.empty()) {
    const int count = SSL_write(ssl_, plain.data(), static_cast<int>(std::min(plain.size(), record_max)));
    if (count <= 0) {
      std::string text = ssl_error_text();
      if (send_failure_) return std::unexpected(*send_failure_);
      return sallyport::fail(Code::tls_failed, "tls_error", std::move(text));
    }
    plain.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

// Small pieces share a record; what fills one goes in without a copy.
Result<void> TlsStream::encrypt_all(std::span<const Slice> pieces) {
  Scratch& s = scratch();
  size_t gathered = 0;
  for (Slice piece : pieces) {
    while (!piece.empty()) {
      if (gathered == 0 && piece.size() >= record_max) {
        if (Result<void> done = encrypt(piece.substr(0, record_max)); !done) return done;
        piece.remove_prefix(record_max);
        continue;
      }
      const size_t count = std::min(piece.size(), record_max - gathered);
      std::memcpy(s.plain.data() + gathered, piece.data(), count);
      gathered += count;
      piece.remove_prefix(count);
      if (gathered < record_max) continue;
      if (Result<void> done = encrypt({s.plain.data(), gathered}); !done) return done;
      gathered = 0;
    }
  }
  return encrypt({s.plain.data(), gathered});
}

Result<void> TlsStream::send(std::span<const Slice> pieces, bool last) {
  if (broken()) return status_;
  if (shaking_ || output_closed_)
    return sallyport::fail(Code::internal, "not_open", "the handshake is not over, or the sending is");
  Result<void> done = encrypt_all(pieces);
  if (last && done) {
    output_closed_ = true;
    SSL_shutdown(ssl_);  // close_notify; the peer's is not waited for
    ERR_clear_error();
  }
  Result<void> sent = flush();  // in any case: the shared buffer must be empty for the next connection
  if (output_closed_ && sent) socket_->close_output();
  return done ? sent : done;
}

void TlsStream::rest() noexcept {
  Stream::rest();
  if (kept_.empty()) kept_.release();
}

}  // namespace sallyport::net
