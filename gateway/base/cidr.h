// Cidr: a range of IP addresses, "10.0.0.0/8" or "2001:db8::/32"; a bare address is a range of one (RFC 4632,
// RFC 4291 section 2.3). Values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

// An address in 16 bytes; IPv4 is mapped (RFC 4291 section 2.5.5.2), so that both notations are one.
using IpBytes = std::array<uint8_t, 16>;
// A numeric address without brackets, port or zone. Nothing for anything else.
std::optional<IpBytes> parse_ip(std::string_view text) noexcept;

// The same as proxies write it, perhaps with the port of the connection: "192.0.2.1:80", "[2001:db8::1]:80".
std::optional<IpBytes> parse_ip_port(std::string_view text) noexcept;

// The one form that an address is written in: RFC 5952, IPv4 with dots.
std::string ip_text(const IpBytes& ip);

// What counts as one caller where nothing but the address is known: an IPv4 address; an IPv6 /64, the least
// that a customer has (RFC 6177). Gives `ip` itself, or a part of `bytes`.
std::string_view caller_of(std::string_view ip, IpBytes& bytes) noexcept;

class Cidr {
 public:
  // Nothing if it is no range, or has bits behind its prefix ("10.0.0.1/8" is a slip).
  static std::optional<Cidr> parse(std::string_view text) noexcept;
  // The range that an address with a prefix lies in, for messages: 10.0.0.0/8 of 10.0.0.1/8; "": it is
  // neither.
  static std::string network_of(std::string_view text);
  bool contains(const IpBytes& ip) const noexcept;

 private:
  static std::optional<Cidr> read(std::string_view text) noexcept;  // with whatever bits
  IpBytes base_{};
  uint8_t bits_ = 128;
};

class CidrSet {
 public:
  CidrSet() = default;
  // The ranges have been checked: what does not parse is left out.
  explicit CidrSet(const std::vector<std::string>& ranges);
  bool empty() const noexcept { return ranges_.empty(); }
  bool contains(std::string_view ip) const noexcept;

 private:
  std::vector<Cidr> ranges_;
};

}  // namespace sallyport
