#include "gateway/net/tcp.h"

#include <algorithm>
#include <utility>

namespace sallyport::net {
namespace {

constexpr size_t read_min = 2048;  // less room than this is made larger, as far as the limit allows

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
  const size_t limit = input_limit();
  if (input_.size() >= limit) {
    stopped_ = true;
    return {};
  }
  size_t most = limit - input_.size();
  if (input_.empty()) {
    most = std::min(most, loop_.blocks().bytes_at_once());
    if (input_.capacity() > most) input_.release();
  }
  const std::span<char> room = input_.writable(input_.empty() ? most : std::min(read_min, most));
  return room.first(std::min(room.size(), most));
}

// Of a peer that has ended nothing more comes, and the room for it goes back.
void TcpStream::on_read_end() {
  if (input_.empty()) input_.release();
  input_ended();
}

void TcpStream::on_read(size_t bytes) {
  input_.commit(bytes);
  input_grew();
}

void TcpStream::want_input() {
  if (std::exchange(stopped_, false)) socket_->start_reading();
}

}  // namespace sallyport::net
