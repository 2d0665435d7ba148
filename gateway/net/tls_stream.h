// TlsStream: a Stream over TLS (BoringSSL), server or client side, on a Socket. One worker's thread.
//
// Ciphertext is read into a buffer that all connections of the thread share, and BoringSSL decrypts from
// there straight into input(); what it writes is gathered in another and leaves in one system call. Only what
// cannot be decrypted yet, because input() is full or a record is incomplete, is kept by the connection, or
// by BoringSSL, whose memory is counted as far as a peer can make it grow.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gateway/net/listener.h"
#include "gateway/net/socket.h"
#include "gateway/net/stream.h"
#include "gateway/net/tls_context.h"

struct ssl_st;
struct bio_st;

namespace sallyport::net {

class TlsStream final : public Stream, private SocketOwner, private TurnEnd {
 public:
  // Keeps the context: a newer one may take its place while this connection lives.
  static std::unique_ptr<TlsStream> server(Loop& loop, AcceptedSocket socket,
                                           std::shared_ptr<TlsServerContext> context);
  // server_name: SNI, and what the certificate must be for (a name or a numeric address). http2: h2 is
  // offered instead of http/1.1.
  static std::unique_ptr<TlsStream> client(Loop& loop, std::unique_ptr<Socket> socket,
                                           const TlsClientContext& context, const std::string& server_name,
                                           bool http2 = false);
  ~TlsStream() override;

  // Before anything else. Errors: tls_failed, timed_out, connection_reset; the reason is a slug for the
  // metrics.
  Task<Result<void>> handshake(Monotonic deadline);

  // After the handshake.
  std::string version() const;  // "TLSv1.3"
  bool resumed() const noexcept;
  // Until the first of the certificates that the client has shown ends; nothing: it has shown none.
  std::optional<Duration> client_certificate_left() const;
  std::string protocol() const;  // what ALPN chose (RFC 7301); empty without

  Result<void> write(std::span<const Slice> pieces) override { return send(pieces, false); }
  Result<void> write_last(std::span<const Slice> pieces) override { return send(pieces, true); }
  size_t queued() const noexcept override { return socket_->queued(); }
  size_t bytes_held() const noexcept override {
    return Stream::bytes_held() + kept_.capacity() + inside_.bytes();
  }
  void close_output() override { static_cast<void>(write_last({})); }
  void reset_at_end(bool on) noexcept override { socket_->reset_at_end(on); }
  void acknowledge_now() noexcept override { socket_->acknowledge_now(); }
  void rest() noexcept override;

  // For the BIO: ciphertext that BoringSSL asks for, or has made.
  int take_ciphertext(char* to, int most) noexcept;
  int give_ciphertext(const char* from, int count);

 private:
  TlsStream(Loop& loop, std::unique_ptr<Socket> socket, ssl_st* ssl);

  static constexpr size_t objects_bytes = 4 * 1024;  // of BoringSSL, with nothing under way

  void want_input() override;
  std::span<char> on_alloc() override;
  void on_read(size_t bytes) override;
  void on_read_end() override;
  void on_broken(Error error) override;
  void on_drained() override { output_drained(); }
  void at_turn_end() override { input_ended(); }

  // Nobody is resumed in these.
  void step_handshake();
  void end_handshake(Result<void> result);
  struct Pumped {
    bool grew = false, ended = false, broken = false;
  };
  Pumped pump(size_t limit);  // of input_
  void keep_rest();
  // BoringSSL makes room for a whole record when its head is there, asks for what is missing of it, and keeps
  // the messages of a handshake until they are whole.
  void weigh() noexcept { inside_.set(objects_bytes + unread_ + missing_); }
  Result<void> send(std::span<const Slice> pieces, bool last);
  Result<void> encrypt(Slice plain);
  Result<void> encrypt_all(std::span<const Slice> pieces);
  Result<void> flush();

  void tell_handshake();     // resumes who waits for it: the stream may be gone
  void tell(Pumped pumped);  // the same for input

  std::unique_ptr<Socket> socket_;
  std::shared_ptr<TlsServerContext> context_;  // of a server
  ssl_st* ssl_;
  Slice arrived_;  // ciphertext that is not decrypted yet: in the shared buffer, or in kept_
  Buffer kept_;
  size_t unread_ = 0;   // ciphertext that BoringSSL has taken since it last gave plaintext
  size_t missing_ = 0;  // of what it has asked for last
  Charge inside_;       // what BoringSSL holds
  bool shaking_ = true;
  bool fin_ = false;  // the socket has ended; what arrived_ holds is still to be decrypted
  bool reading_stopped_ = false;
  bool output_closed_ = false;
  Result<void> shaken_;
  Error broken_by_;                    // a failure found where nobody may be resumed
  std::optional<Error> send_failure_;  // what the socket said, which BoringSSL does not pass on
};

}  // namespace sallyport::net
