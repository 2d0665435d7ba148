#include "gateway/base/cidr.h"

#include <arpa/inet.h>

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

constexpr size_t ip_text_max = 45;

bool bit(const IpBytes& ip, unsigned i) noexcept { return (ip[i / 8] >> (7 - i % 8) & 1) != 0; }

bool is_ipv4(const IpBytes& ip) noexcept {
  static constexpr IpBytes mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(mapped.begin(), mapped.begin() + 12, ip.begin());
}

// ":80"
bool is_port(std::string_view text) noexcept {
  if (!text.starts_with(':') || text.size() > 6) return false;
  const auto number = text::parse_decimal(text.substr(1));
  return number && *number <= 65535;
}

}  // namespace

std::optional<IpBytes> parse_ip(std::string_view text) noexcept {
  if (text.size() > ip_text_max ||
      text.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
    return std::nullopt;  // also a NUL, behind which inet_pton would not look
  std::array<char, ip_text_max + 1> terminated{};
  std::ranges::copy(text, terminated.begin());
  IpBytes ip{};
  if (inet_pton(AF_INET6, terminated.data(), ip.data()) == 1) return ip;
  ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, terminated.data(), ip.data() + 12) == 1) return ip;
  return std::nullopt;
}

std::optional<IpBytes> parse_ip_port(std::string_view text) noexcept {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return std::nullopt;
    const std::string_view address = text.substr(1, end - 1), port = text.substr(end + 1);
    const bool good = address.contains(':') && (port.empty() || is_port(port));
    return good ? parse_ip(address) : std::nullopt;
  }
  const size_t colon = text.find(':');
  if (colon == text.npos || text.find(':', colon + 1) != text.npos) return parse_ip(text);
  return is_port(text.substr(colon)) ? parse_ip(text.substr(0, colon)) : std::nullopt;
}

std::string ip_text(const IpBytes& ip) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = is_ipv4(ip);
  inet_ntop(v4 ? AF_INET : AF_INET6, ip.data() + (v4 ? 12 : 0), text.data(), text.size());
  return text.data();
}

std::string_view caller_of(std::string_view ip, IpBytes& bytes) noexcept {
  if (ip.find(':') == std::string_view::npos) return ip;
  const auto read = parse_ip(ip);
  if (!read || is_ipv4(*read)) return ip;
  bytes = *read;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size() / 2};
}

std::optional<Cidr> Cidr::read(std::string_view text) noexcept {
  const size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const auto ip = parse_ip(address);
  if (!ip) return std::nullopt;
  const unsigned most = address.find(':') == std::string_view::npos ? 32 : 128;
  uint64_t bits = most;
  if (slash != std::string_view::npos) {
    const auto written = text::parse_decimal(text.substr(slash + 1));
    if (!written || *written > most) return std::nullopt;
    bits = *written;
  }
  Cidr range;
  range.base_ = *ip;
  range.bits_ = static_cast<uint8_t>(128 - most + bits);
  return range;
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const auto range = read(text);
  for (unsigned i = range ? range->bits_ : 128; i < 128; ++i) {
    if (bit(range->base_, i)) return std::nullopt;
  }
  return range;
}

std::string Cidr::network_of(std::string_view text) {
  auto range = read(text);
  const bool v6 = text.contains(':');
  if (!range || (v6 && is_ipv4(range->base_))) return "";
  for (unsigned i = range->bits_; i < 128; ++i)
    range->base_[i / 8] = static_cast<uint8_t>(range->base_[i / 8] & ~(0x80U >> i % 8));
  return ip_text(range->base_) + "/" + std::to_string(range->bits_ - (v6 ? 0 : 96));
}

bool Cidr::contains(const IpBytes& ip) const noexcept {
  const unsigned whole = bits_ / 8;
  if (!std::equal(ip.begin(), ip.begin() + whole, base_.begin())) return false;
  for (unsigned i = whole * 8; i < bits_; ++i) {
    if (bit(ip, i) != bit(base_, i)) return false;
  }
  return true;
}

CidrSet::CidrSet(const std::vector<std::string>& ranges) {
  for (const std::string& range : ranges) {
    if (const auto parsed = Cidr::parse(range)) ranges_.push_back(*parsed);
  }
}

bool CidrSet::contains(std::string_view ip) const noexcept {
  if (ranges_.empty()) return false;
  const auto bytes = parse_ip(ip);
  return bytes && std::ranges::any_of(ranges_, [&](const Cidr& range) { return range.contains(*bytes); });
}

}  // namespace sallyport
