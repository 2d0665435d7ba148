#include "gateway/http/header_guard.h"

#include <algorithm>

#include "gateway/base/text.h"

namespace sallyport::http {
namespace {

constexpr auto folded_chars = [] {
  std::array<char, 256> all{};
  for (size_t c = 0; c < all.size(); ++c) {
    const char character = static_cast<char>(c);
    const bool stays = text::is_alpha(character) || text::is_digit(character);
    all[c] = stays ? text::lower(character) : '-';
  }
  return all;
}();
char fold(char c) noexcept { return folded_chars[static_cast<uint8_t>(c)]; }

std::string folded(Slice name) {
  std::string out(name);
  std::ranges::transform(out, out.begin(), fold);
  return out;
}
bool begins_folded(Slice name, Slice with) noexcept {
  return name.size() >= with.size() &&
         std::equal(with.begin(), with.end(), name.begin(), [](char w, char c) { return w == fold(c); });
}

// The known header that a name is another spelling of.
HeaderId folded_id(Slice name) noexcept {
  std::array<char, 32> hyphens;
  if (name.size() > hyphens.size()) return HeaderId::other;
  std::ranges::transform(name, hyphens.begin(), fold);
  return header_id({hyphens.data(), name.size()});
}

}  // namespace

bool is_spelling_of(Slice name, Slice other) noexcept {
  return name.size() == other.size() && std::ranges::equal(name, other, {}, fold, fold) &&
         !text::iequals(name, other);
}

HeaderGuard::HeaderGuard(const std::vector<std::string>& untrusted) {
  for (size_t id = 1; id < of_id_.size(); ++id) of_id_[id] = known;
  using enum HeaderId;
  // Forwarded (RFC 7239) would contradict what the gateway says in X-Forwarded-*.
  for (const HeaderId id : {x_client_id, x_client_roles, x_client_scopes, x_forwarded_for, x_forwarded_host,
                            x_forwarded_proto, x_request_id, traceparent, forwarded})
    of_id_[static_cast<size_t>(id)] |= ours;
  for (const std::string& name : untrusted) {
    if (name.ends_with('*'))
      mark_prefix(Slice(name).substr(0, name.size() - 1), untrusted_name);
    else
      mark(name, untrusted_name);
  }
}

void HeaderGuard::mark(Slice name, Mark as) {
  if (const HeaderId id = header_id(name); id != HeaderId::other) {
    of_id_[static_cast<size_t>(id)] |= as;
    return;
  }
  std::vector<Name>& list = by_size_[size_slot(name)];
  const auto same = std::ranges::find_if(list, [&](const Name& n) { return text::iequals(n.name, name); });
  if (same != list.end())
    same->marks |= as;
  else
    list.push_back({std::string(name), folded(name), as});
}

size_t HeaderGuard::slot_of(Slice prefix) noexcept {
  return (static_cast<size_t>(fold(prefix[0])) + static_cast<size_t>(fold(prefix[2])) * 3) % prefix_slots;
}

void HeaderGuard::mark_prefix(Slice prefix, Mark as) {
  std::vector<Name>& list = prefix.size() < 3 ? short_prefixes_ : prefixes_[slot_of(prefix)];
  list.push_back({std::string(prefix), folded(prefix), as});
  for (size_t id = 1; id < of_id_.size(); ++id) {
    if (begins_folded(header_name(static_cast<HeaderId>(id)), list.back().folded)) of_id_[id] |= as;
  }
}

uint8_t HeaderGuard::marks_of(const Header& h) const noexcept {
  if (h.id != HeaderId::other) return of_id_[static_cast<size_t>(h.id)];
  const bool plain = is_plain_name(h.name);
  if (!plain && folded_id(h.name) != HeaderId::other) return misspelt;
  uint8_t marks = 0;
  for (const Name& n : by_size_[size_slot(h.name)]) {
    if (h.name.size() != n.name.size() || !begins_folded(h.name, n.folded)) continue;
    marks |= n.marks | (text::iequals(h.name, n.name) ? 0 : misspelt);
  }
  const auto look_at = [&](const std::vector<Name>& prefixes) {
    for (const Name& n : prefixes) {
      if (begins_folded(h.name, n.folded)) marks |= n.marks | (plain ? 0 : misspelt);
    }
  };
  if (h.name.size() >= 3) look_at(prefixes_[slot_of(h.name)]);
  if (!short_prefixes_.empty()) look_at(short_prefixes_);
  return marks;
}

bool HeaderGuard::withholds(uint8_t marks, bool behind_proxy, bool keep_credentials) noexcept {
  return (marks & (ours | misspelt)) != 0 || ((marks & untrusted_name) != 0 && !behind_proxy) ||
         ((marks & credential) != 0 && !keep_credentials);
}

bool HeaderGuard::withholds(const Header& h, bool behind_proxy, bool keep_credentials) const noexcept {
  return withholds(marks_of(h), behind_proxy, keep_credentials);
}

bool HeaderGuard::withholds_trailer(const Header& h) const noexcept {
  const uint8_t marks = marks_of(h);
  return (marks & read) != 0 || withholds(marks, false, false);
}

}  // namespace sallyport::http
