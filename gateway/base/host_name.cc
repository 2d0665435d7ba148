#include "gateway/base/host_name.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "gateway/base/text.h"

namespace sallyport {
namespace {

bool is_label(std::string_view label) noexcept {
  return !label.empty() && label.size() <= 63 && std::ranges::all_of(label, [](char c) {
    return text::is_alpha(c) || text::is_digit(c) || c == '-' || c == '_';
  });
}

}  // namespace

bool is_host_name(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > 253) return false;
  const bool dotted = host.contains('.');
  for (;;) {
    const size_t dot = host.find('.');
    const std::string_view label = host.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == host.npos) return !dotted || !std::ranges::all_of(label, text::is_digit);
    host.remove_prefix(dot + 1);
  }
}

bool is_numeric_host(std::string_view host) noexcept {
  if (host.size() > INET6_ADDRSTRLEN || host.contains('\0')) return false;
  const std::string text(host);
  in6_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1 || inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

std::string numeric_host(std::string host) {
  in6_addr parsed;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_pton(AF_INET6, host.c_str(), &parsed) != 1) return host;
  return inet_ntop(AF_INET6, &parsed, text.data(), text.size());
}

}  // namespace sallyport
