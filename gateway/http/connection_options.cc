#include "gateway/http/connection_options.h"

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport::http {

ConnectionOption connection_option(Slice option) noexcept {
  const HeaderId id = header_id(option);
  if (id == HeaderId::keep_alive) return ConnectionOption::keep_alive;
  if (id == HeaderId::upgrade) return ConnectionOption::upgrade;
  if (id == HeaderId::content_length) return ConnectionOption::field;  // tells of the content, end to end
  if (is_of_one_hop(id)) return ConnectionOption::of_one_hop;
  return text::iequals(option, "close") ? ConnectionOption::close : ConnectionOption::field;
}

namespace {

// What nearly every one is; names no field.
bool is_usual(Slice value) noexcept { return value == "keep-alive" || value == "close"; }

}  // namespace

void ConnectionOptions::add(Slice option) {
  if (option.empty()) return;
  if (is_usual(option)) {
    (option == "close" ? close : keep_alive) = true;
    return;
  }
  switch (connection_option(option)) {
    case ConnectionOption::close:
      close = true;
      break;
    case ConnectionOption::keep_alive:
      keep_alive = true;
      break;
    case ConnectionOption::upgrade:
      upgrade = true;
      break;
    case ConnectionOption::of_one_hop:
      break;
    case ConnectionOption::field:
      fields.push_back(option);
  }
}

ConnectionOptions connection_options(const Headers& headers) {
  ConnectionOptions out;
  if (!headers.may_have({HeaderId::connection})) return out;
  size_t left = ConnectionOptions::max;
  for (const Header& h : headers) {
    if (h.id != HeaderId::connection) continue;
    for (Slice list = h.value; !list.empty() && !out.too_many;) {
      const size_t comma = is_usual(list) ? list.size() : std::min(list.find(','), list.size());
      out.add(text::trim(list.substr(0, comma)));
      list.remove_prefix(std::min(comma + 1, list.size()));
      out.too_many = left-- == 0;
    }
  }
  return out;
}

bool ConnectionOptions::names(Slice field) const noexcept {
  return std::ranges::any_of(fields, [&](Slice name) { return text::iequals(name, field); });
}

void remove_hop_by_hop(Headers& headers) {
  if (!headers.may_have(of_one_hop)) return;
  const bool names_fields = std::ranges::any_of(
      headers, [](const Header& h) { return h.id == HeaderId::connection && !is_usual(h.value); });
  if (!names_fields) {
    headers.remove_if([](const Header& h) { return is_of_one_hop(h.id); });
    return;
  }
  const ConnectionOptions options = connection_options(headers);
  headers.remove_if([&](const Header& h) { return is_of_one_hop(h.id) || options.names(h.name); });
}

}  // namespace sallyport::http
