// TcpStream: a Stream without TLS, over TCP or a unix socket.
#pragma once

#include <memory>

#include "gateway/net/listener.h"
#include "gateway/net/socket.h"
#include "gateway/net/stream.h"

namespace sallyport::net {

class TcpStream final : public Stream, private SocketOwner {
 public:
  TcpStream(Loop& loop, std::unique_ptr<Socket> socket);
  static std::unique_ptr<TcpStream> accepted(Loop& loop, AcceptedSocket socket) {
    return std::make_unique<TcpStream>(loop, socket.take());
  }

  Result<void> write(std::span<const Slice> pieces) override;
  size_t queued() const noexcept override { return socket_->queued(); }
  void close_output() override { socket_->close_output(); }
  void reset_at_end(bool on) noexcept override { socket_->reset_at_end(on); }
  void acknowledge_now() noexcept override { socket_->acknowledge_now(); }

 private:
  void want_input() override;
  std::span<char> on_alloc() override;
  void on_read(size_t bytes) override;
  void on_read_end() override;
  void on_broken(Error error) override { failed(std::move(error)); }
  void on_drained() override { output_drained(); }

  std::unique_ptr<Socket> socket_;
  bool stopped_ = false;  // because input_ is full
};

}  // namespace sallyport::net
