#include "gateway/net/proxy_header.h"

#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/async/signal.h"
#include "gateway/base/cidr.h"
#include "gateway/base/text.h"

namespace sallyport::net {
namespace {

constexpr Slice signature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr Slice signature1 = "PROXY ";
constexpr size_t line_max = 107;  // of version 1, its CRLF included
constexpr size_t fixed2 = 16;     // bytes of version 2 before the addresses

std::unexpected<Error> malformed() {
  return fail(Code::malformed_request, "bad_proxy_header", "the PROXY header is not well-formed");
}

Slice take_word(Slice& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const Slice word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool is_port(Slice word) {
  const auto port = text::parse_decimal(word);
  return port && *port <= 65535;
}

Result<ProxyHeader> parse1(Slice input) {
  const size_t end = input.substr(0, line_max).find("\r\n");
  if (end == Slice::npos) {
    if (input.size() >= line_max) return malformed();
    return ProxyHeader{};
  }
  Slice line = input.substr(signature1.size(), end - signature1.size());
  const Slice family = take_word(line);
  if (family == "UNKNOWN") return ProxyHeader{end + 2, {}};
  if (family != "TCP4" && family != "TCP6") return malformed();
  const Slice source = take_word(line), destination = take_word(line);
  const bool v6 = family == "TCP6";
  const auto fits = [&](Slice ip) { return parse_ip(ip) && (ip.find(':') != Slice::npos) == v6; };
  if (!fits(source) || !fits(destination)) return malformed();
  const auto ip = parse_ip(source);
  const Slice from = take_word(line);
  if (!is_port(from) || !is_port(line)) return malformed();
  return ProxyHeader{end + 2, ip_text(*ip)};
}

Result<ProxyHeader> parse2(Slice input) {
  if (input.size() < fixed2) return ProxyHeader{};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(input[i]); };
  const size_t length = size_t{byte(14)} << 8 | byte(15);
  const unsigned command = byte(12);
  if ((command != 0x20 && command != 0x21) || fixed2 + length > proxy_header_max) return malformed();
  if (input.size() < fixed2 + length) return ProxyHeader{};
  ProxyHeader header{fixed2 + length, {}};
  if (command == 0x20) return header;  // LOCAL
  const int family = byte(13) >> 4;
  if (family == 1 || family == 2) {
    if (length < (family == 1 ? 12U : 36U)) return malformed();
    IpBytes ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const Slice source = input.substr(fixed2, family == 1 ? 4 : 16);
    std::ranges::copy(source, ip.begin() + (family == 1 ? 12 : 0));
    header.client_ip = ip_text(ip);
  } else if (family != 0 && family != 3) {
    return malformed();
  }
  return header;
}

// Takes the bytes of the header from the socket, looking before it reads.
class Reader final : public SocketOwner {
 public:
  Reader(Socket& socket, WaitUntil& done) : socket_(socket), done_(done) {
    socket_.set_owner(this);
    socket_.start_reading();
  }
  ~Reader() { socket_.pause(); }
  Result<std::string> result() { return std::move(result_); }

 private:
  std::span<char> on_alloc() override {
    uv_os_fd_t fd = -1;
    if (result_known_ || uv_fileno(reinterpret_cast<const uv_handle_t*>(socket_.raw()), &fd) != 0) return {};
    const ssize_t there = recv(fd, bytes_.data() + have_, bytes_.size() - have_, MSG_PEEK | MSG_DONTWAIT);
    if (there <= 0) return {bytes_.data() + have_, 1};  // the read that follows tells what is wrong
    const Slice seen(bytes_.data(), have_ + static_cast<size_t>(there));
    const Result<ProxyHeader> header = parse_proxy_header(seen);
    const size_t wanted = header && header->bytes > 0 ? header->bytes : seen.size();
    return {bytes_.data() + have_, wanted - have_};
  }
  void on_read(size_t bytes) override {
    have_ += bytes;
    Result<ProxyHeader> header = parse_proxy_header({bytes_.data(), have_});
    if (!header) return finish(std::unexpected(std::move(header.error())));
    if (header->bytes > 0) return finish(std::move(header->client_ip));
    if (have_ == bytes_.size()) finish(malformed());
  }
  void on_read_end() override { finish(fail(Code::connection_reset, "ended_in_proxy_header")); }
  void on_broken(Error error) override { finish(std::unexpected(std::move(error))); }
  void on_drained() override {}

  void finish(Result<std::string> result) {
    if (std::exchange(result_known_, true)) return;
    result_ = std::move(result);
    socket_.pause();
    done_.notify();
  }

  Socket& socket_;
  WaitUntil& done_;
  std::array<char, proxy_header_max> bytes_{};
  size_t have_ = 0;
  bool result_known_ = false;
  Result<std::string> result_;
};

}  // namespace

Result<ProxyHeader> parse_proxy_header(Slice input) {
  if (input.starts_with(signature2.substr(0, input.size()))) return parse2(input);
  if (input.starts_with(signature1.substr(0, input.size()))) return parse1(input);
  return malformed();
}

Task<Result<std::string>> read_proxy_header(Loop& loop, Socket& socket, Monotonic deadline) {
  WaitUntil done(loop, deadline);
  auto reader = std::make_unique<Reader>(socket, done);
  const bool in_time = co_await done;
  if (!in_time) co_return fail(Code::timed_out, "timeout", "no PROXY header in time");
  co_return reader->result();
}

}  // namespace sallyport::net
