#include "gateway/http/headers.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "gateway/base/block.h"
#include "gateway/base/text.h"

namespace sallyport::http {
namespace {

// In the order of HeaderId.
constexpr std::array<std::string_view, header_ids> names = {
    "",
    "Accept",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Allow",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Location",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Forwarded",
    "Host",
    "HTTP2-Settings",
    "Keep-Alive",
    "Location",
    "Origin",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Server",
    "Set-Cookie",
    "TE",
    "traceparent",
    "tracestate",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "WWW-Authenticate",
    "X-API-Key",
    "X-Client-Id",
    "X-Client-Roles",
    "X-Client-Scopes",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Request-Id",
};
static_assert(names[static_cast<size_t>(HeaderId::x_request_id)] == "X-Request-Id");

constexpr auto lower_names = [] {
  std::array<std::array<char, 32>, names.size()> all{};
  for (size_t i = 0; i < names.size(); ++i) std::ranges::transform(names[i], all[i].begin(), text::lower);
  return all;
}();

constexpr size_t table_size = 256;
constexpr uint32_t hash(std::string_view name, uint32_t seed) noexcept {
  const auto at = [&](size_t i) { return static_cast<uint32_t>(name[i] | 0x20); };  // both cases of a letter
  const size_t n = name.size();
  uint32_t h = seed + static_cast<uint32_t>(n) * 31;
  h = (h ^ at(0)) * 0x01000193;
  h = (h ^ at(n / 2)) * 0x01000193;
  h = (h ^ at(n - 1)) * 0x01000193;
  h = (h ^ at(n > 4 ? n - 4 : 0)) * 0x01000193;
  return (h ^ h >> 15) % table_size;
}

struct Table {
  uint32_t seed = 0;
  std::array<uint8_t, table_size> slot{};
};
// A seed for which no two names meet, found when this is compiled: one look, one comparison.
constexpr Table make_table() {
  for (uint32_t seed = 1; seed < 20000; ++seed) {
    Table table{seed, {}};
    bool clash = false;
    for (size_t i = 1; i < names.size() && !clash; ++i) {
      uint8_t& slot = table.slot[hash(names[i], seed)];
      clash = slot != 0;
      slot = static_cast<uint8_t>(i);
    }
    if (!clash) return table;
  }
  return {};
}
constexpr Table table = make_table();
static_assert(table.seed != 0);

constexpr auto token_chars = text::letters_digits_and("!#$%&'*+-.^_`|~");  // tchar of RFC 9110 section 5.6.2

template <class Word>
bool is_same_word(const char* a, const char* b) noexcept {
  Word x, y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return x == y;
}
template <class Word>
bool are_same_ends(const char* a, Slice b) noexcept {
  const size_t last = b.size() - sizeof(Word);
  return is_same_word<Word>(a, b.data()) && is_same_word<Word>(a + last, b.data() + last);
}
// Of at most 32 bytes, for which a call of memcmp would cost more than the comparison.
bool is_same(const char* a, Slice b) noexcept {
  if (b.size() >= sizeof(unsigned __int128)) return are_same_ends<unsigned __int128>(a, b);
  if (b.size() >= sizeof(uint64_t)) return are_same_ends<uint64_t>(a, b);
  if (b.size() >= sizeof(uint32_t)) return are_same_ends<uint32_t>(a, b);
  return are_same_ends<uint16_t>(a, b);
}
static_assert(std::ranges::all_of(names.begin() + 1, names.end(),
                                  [](Slice name) { return name.size() >= 2 && name.size() <= 32; }));

// Letters, digits and hyphens.
BlockMask is_plain(Block b) noexcept { return ((b | 0x20) - 'a' < 26) | (b - '0' < 10) | (b == '-'); }

}  // namespace

HeaderId header_id(Slice name) noexcept {
  if (name.empty()) return HeaderId::other;
  const size_t i = table.slot[hash(name, table.seed)];
  if (i == 0 || names[i].size() != name.size()) return HeaderId::other;
  const bool same =
      is_same(names[i].data(), name) || text::iequals(names[i], name);  // most write it as we do
  return same ? static_cast<HeaderId>(i) : HeaderId::other;
}

Slice header_name(HeaderId id) noexcept { return names[static_cast<size_t>(id)]; }
Slice lower_header_name(HeaderId id) noexcept {
  const auto i = static_cast<size_t>(id);
  return {lower_names[i].data(), names[i].size()};
}

void Headers::set(HeaderId id, Slice value) {
  remove(id);
  add(id, value);
}
void Headers::set(Slice name, Slice value) {
  remove(name);
  add(name, value);
}
void Headers::remove(HeaderId id) noexcept {
  if (!seen_.has(id)) return;
  seen_.remove(id);
  std::erase_if(fields_, [&](const Header& h) { return h.id == id; });
}
void Headers::remove(Slice name) noexcept {
  std::erase_if(fields_, [&](const Header& h) { return text::iequals(h.name, name); });
}

const Header* Headers::first(HeaderId id) const noexcept {
  for (const Header& h : fields_) {
    if (h.id == id) return &h;
  }
  return nullptr;
}
const Header* Headers::find(Slice name) const noexcept {
  const HeaderId id = header_id(name);
  if (id != HeaderId::other) return find(id);
  for (const Header& h : fields_) {
    if (text::iequals(h.name, name)) return &h;
  }
  return nullptr;
}
Slice Headers::get(Slice name) const noexcept {
  const Header* found = find(name);
  return found == nullptr ? Slice{} : found->value;
}
size_t Headers::count_seen(HeaderId id) const noexcept {
  return static_cast<size_t>(std::ranges::count(fields_, id, &Header::id));
}

bool list_has_token(Slice list, Slice token) noexcept {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (text::iequals(text::trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

size_t token_length(Slice s) noexcept {
  size_t n = 0;
  if (s.size() >= sizeof(Block)) n = first_of(~is_plain(load_block(s.data())));  // nearly all of them
  while (n < s.size() && token_chars[static_cast<uint8_t>(s[n])]) ++n;
  return n;
}

bool is_token(Slice s) noexcept { return !s.empty() && token_length(s) == s.size(); }

bool is_plain_name(Slice s) noexcept {
  constexpr static auto plain = text::letters_digits_and("-");
  return std::ranges::all_of(s, [](char c) { return plain[static_cast<uint8_t>(c)]; });
}

bool is_field_value(Slice s) noexcept { return text::has_no_control(s) || text::find_control(s) == s.size(); }

bool is_well_formed(const Header& h) noexcept {
  return (h.id != HeaderId::other || is_token(h.name)) && is_field_value(h.value);
}

std::unexpected<Error> unsafe_header() {
  return fail(Code::internal, "unsafe_header", "a header that was to be sent is not well-formed");
}

}  // namespace sallyport::http
