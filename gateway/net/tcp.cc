#include "gateway/net/tcp.h"

#include <algorithm>
#include <utility>

namespace sallyport::net {
namespace {

constexpr size_t read_min = 2048;  // less room than this is not worth a read

}  // namespace

TcpStream::TcpStream(Loop& loop, std::unique_ptr<Socket> socket) : Stream(loop), socket_(std::move(socket)) {
  socket_->set_owner(this);
  socket_->start_reading();
}

Result<void> TcpStream::write(std::span<const Slice> pieces) {
  if (broken()) return status_;
  return socket_->write(pieces);
}

std::span<char> TcpStream::on_alloc() {
  if (input_.size() + read_min > input_max) {
    stopped_ = true;
    return {};
  }
  const std::span<char> room = input_.writable(read_min);
  return room.first(std::min(room.size(), input_max - input_.size()));
}

void TcpStream::on_read(size_t bytes) {
  input_.commit(bytes);
  input_grew();
}

void TcpStream::want_input() {
  if (std::exchange(stopped_, false)) socket_->start_reading();
}

}  // namespace sallyport::net
