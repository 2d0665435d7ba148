#include "plugins/authenticate/api_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <utility>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "plugins/authenticate/names.h"

namespace sallyport {
namespace {

constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t id_size = ApiKeyTable::id_size, secret_size = 43, check_size = 6;  // 62^43 > 2^256
constexpr size_t placed_bytes_max = 16 << 20;  // a larger file costs the YAML reader too much to name a line
constexpr size_t key_size = 3 + id_size + 1 + secret_size + 1 + check_size;

constexpr std::array<uint32_t, 256> crc_table = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ ((table[i] & 1) != 0 ? 0xedb88320U : 0);
  }
  return table;
}();

// CRC-32 (ISO 3309), in base 62: not a secret, only a sign that this is a key of ours.
std::array<char, check_size> checksum(std::string_view text) noexcept {
  uint32_t crc = ~0U;
  for (char c : text) crc = crc >> 8 ^ crc_table[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  crc = ~crc;
  std::array<char, check_size> out;
  for (char& digit : out) {
    digit = alphabet[crc % alphabet.size()];
    crc /= static_cast<uint32_t>(alphabet.size());
  }
  return out;
}

bool is_base62(std::string_view s) noexcept {
  static constexpr std::array<bool, 256> digits = [] {
    std::array<bool, 256> table{};
    for (const char c : alphabet) table[static_cast<uint8_t>(c)] = true;
    return table;
  }();
  return std::ranges::all_of(s, [](char c) { return digits[static_cast<uint8_t>(c)]; });
}

// Digits without a bias: bytes that do not divide evenly are thrown away.
std::string random_base62(size_t digits) {
  std::string out;
  while (out.size() < digits) {
    uint8_t byte = 0;
    crypto::random_bytes(&byte, 1);
    if (byte < 248) out += alphabet[byte % 62];
  }
  return out;
}

std::optional<int64_t> time_or_zero(const std::string& text) {
  if (text.empty()) return 0;
  const Result<Wall> time = parse_date_time(text);
  if (!time || unix_seconds(*time) <= 0) return std::nullopt;
  return unix_seconds(*time);
}

// What an entry's hash says: "hmac-sha256:HEX" or "sha256:HEX".
bool read_hash(std::string_view text, crypto::Digest& digest, bool& peppered) {
  peppered = text.starts_with("hmac-sha256:");
  if (!peppered && !text.starts_with("sha256:")) return false;
  return text::unhex(text.substr(text.find(':') + 1), digest);
}

bool is_pepper_check(std::string_view text) {
  crypto::Digest digest;
  bool peppered = false;
  return read_hash(text, digest, peppered) && peppered;
}

std::unexpected<Error> bad(std::string_view reason, std::string detail) {
  return fail(Code::bad_credentials, reason, std::move(detail));
}

}  // namespace

std::optional<ApiKeyText> ApiKeyText::parse(std::string_view text) noexcept {
  if (text.size() != key_size || !text.starts_with("sp_")) return std::nullopt;
  const ApiKeyText key{text.substr(3, id_size), text.substr(4 + id_size, secret_size)};
  const std::string_view check = text.substr(key_size - check_size);
  if (text[3 + id_size] != '_' || text[key_size - check_size - 1] != '_') return std::nullopt;
  if (!is_base62(key.id) || !is_base62(key.secret)) return std::nullopt;
  const auto expected = checksum(text.substr(0, key_size - check_size - 1));
  if (check != std::string_view(expected.data(), expected.size())) return std::nullopt;
  return key;
}

std::string ApiKeyText::generate() {
  std::string text = "sp_" + random_base62(id_size) + "_" + random_base62(secret_size);
  const auto check = checksum(text);
  text += '_';
  text.append(check.data(), check.size());
  return text;
}

std::string hash_secret(std::string_view secret, const std::string* pepper) {
  const crypto::Digest digest =
      pepper != nullptr ? crypto::hmac_sha256(*pepper, secret) : crypto::sha256(secret);
  const std::string_view raw(reinterpret_cast<const char*>(digest.data()), digest.size());
  return (pepper != nullptr ? "hmac-sha256:" : "sha256:") + text::hex(raw);
}

std::string pepper_check(const std::string& pepper) {
  return hash_secret("the pepper of a Sallyport key file", &pepper);
}

std::string wrong_with_names(const ApiKeyEntry& entry) {
  if (const auto wrong = wrong_with_client(entry.client); !wrong.empty())
    return fmt::format("the client \"{}\" {}", text::printable(entry.client), wrong);
  for (const auto& [list, what] : {std::pair(&entry.roles, "role"), std::pair(&entry.scopes, "scope")}) {
    for (const std::string& word : *list) {
      if (const auto wrong = wrong_with_word(word); !wrong.empty())
        return fmt::format("the {} \"{}\" {}", what, text::printable(word), wrong);
    }
  }
  return {};
}

// Collects the entries of a file; a builder makes one table.
class ApiKeyTable::Builder {
 public:
  Builder(const std::string* pepper, config::Problems& problems)
      : table_(std::make_shared<ApiKeyTable>()), problems_(problems), pepper_(pepper) {
    if (pepper != nullptr) table_->peppered_ = std::make_unique<crypto::HmacSha256>(*pepper);
  }

  // Keys made with whatever pepper will do: the table is for no look-up.
  void take_any_pepper() { table_->peppered_ = std::make_unique<crypto::HmacSha256>(""); }

  // Room for the entries of a file of that size; what is not used of it is never touched.
  void expect(size_t file_bytes) { table_->entries_.reserve(file_bytes / entry_bytes_min); }

  void add(const ApiKeyEntry& from) {
    const std::string wrong = take(from);
    if (wrong.empty()) {
      if (from.place.line > 0) places_.push_back(from.place);
      return;
    }
    good_ = false;
    problems_.add(from.place, fmt::format("key {} of client {}: {}", text::printable(from.id),
                                          text::printable(from.client), wrong));
  }

  // check: the file's pepper_check. Null if anything was wrong.
  std::shared_ptr<const ApiKeyTable> finish(const std::string& check) {
    if (!check.empty() && !is_pepper_check(check)) {
      problems_.add({}, "its pepper_check is not hmac-sha256:HEX");
      good_ = false;
    } else if (pepper_ != nullptr && !check.empty() && check != pepper_check(*pepper_)) {
      problems_.add({}, "its keys were made with another pepper than the one that the authenticator names");
      good_ = false;
    }
    ApiKeyTable& t = *table_;
    t.clients_.shrink_to_fit();
    t.slots_.assign(std::bit_ceil(std::max<size_t>(t.entries_.size() * 2, 2)), none);
    for (uint32_t place = 0; place < t.entries_.size(); ++place) {
      const std::string_view id = t.id_at(place);
      if (place + ahead < t.entries_.size())
        __builtin_prefetch(&t.slots_[t.first_slot(t.id_at(place + ahead))], 1);
      uint32_t& slot = t.slots_[t.slot_of(id)];
      if (slot == none) {
        slot = place;
        continue;
      }
      problems_.add(place < places_.size() ? places_[place] : config::Mark{},
                    fmt::format("key {}: its id is there twice", id));
      good_ = false;
    }
    return good_ ? std::move(table_) : nullptr;
  }

 private:
  static constexpr uint32_t ahead =
      16;  // slots that are fetched before their turn: the table is larger than the cache
  static constexpr size_t entry_bytes_min = 100;  // id, client and hash, with their names

  // Gives what is wrong with the entry, or nothing.
  std::string take(const ApiKeyEntry& from) {
    Entry entry;
    if (from.id.size() != id_size || !is_base62(from.id))
      return "its id is not 12 letters and digits (of a key that reads sp_ID_…, the ID)";
    if (from.client.size() > UINT16_MAX || table_->clients_.size() + from.client.size() > UINT32_MAX)
      return "its client is too long";
    if (std::string wrong = names_of(from); !wrong.empty()) return wrong;
    if (!read_hash(from.hash, entry.digest, entry.peppered))
      return "its hash is neither hmac-sha256:HEX nor sha256:HEX";
    if (entry.peppered && table_->peppered_ == nullptr)
      return "it was made with a pepper, and the authenticator names none";
    const auto not_before = time_or_zero(from.not_before), expires = time_or_zero(from.expires),
               revoked = time_or_zero(from.revoked);
    const bool has_first = from.first_expires.empty() || from.first_expires == "never" ||
                           time_or_zero(from.first_expires).has_value();
    if (!not_before || !expires || !revoked || !has_first)
      return "one of its times is not in UTC such as 2026-01-02T03:04:05Z, or before 1970";
    std::ranges::copy(from.id, entry.id.begin());
    entry.client_at = static_cast<uint32_t>(table_->clients_.size());
    entry.client_size = static_cast<uint16_t>(from.client.size());
    entry.profile = profile_of(from);
    entry.not_before_s = *not_before;
    entry.expires_s = *expires;
    entry.revoked = !from.revoked.empty();
    table_->clients_ += from.client;
    table_->entries_.push_back(entry);
    return {};
  }

  bool is_of_last_profile(const ApiKeyEntry& from) const {
    const std::vector<Profile>& profiles = table_->profiles_;
    return last_ < profiles.size() && profiles[last_].roles == from.roles &&
           profiles[last_].scopes == from.scopes;
  }
  // Roles and scopes that were looked at for the entry before are good.
  std::string names_of(const ApiKeyEntry& from) const {
    if (is_of_last_profile(from) && wrong_with_client(from.client).empty()) return {};
    return wrong_with_names(from);
  }

  uint32_t profile_of(const ApiKeyEntry& from) {
    std::vector<Profile>& profiles = table_->profiles_;
    if (is_of_last_profile(from)) return last_;
    name_.clear();
    for (const auto* list : {&from.roles, &from.scopes}) {
      for (const std::string& one : *list) name_.append(std::to_string(one.size())).append(":").append(one);
      name_ += ';';
    }
    const auto [at, fresh] = known_.try_emplace(name_, static_cast<uint32_t>(profiles.size()));
    if (fresh) profiles.push_back({from.roles, from.scopes});
    return last_ = at->second;
  }

  std::shared_ptr<ApiKeyTable> table_;
  config::Problems& problems_;
  const std::string* pepper_;
  std::vector<config::Mark> places_;  // of the entries, if the file's reader knows them
  bool good_ = true;
  uint32_t last_ = 0;  // the profile of the entry before
  std::string name_;
  std::unordered_map<std::string, uint32_t> known_;  // profiles, by all that they say
};

std::shared_ptr<const ApiKeyTable> ApiKeyTable::parse(std::string_view text, const std::string& path,
                                                      const std::string& shown,
                                                      std::shared_ptr<const std::string> pepper,
                                                      config::Problems& problems) {
  config::Problems untold;  // what is wrong is told below, with its place, as the YAML reader knows it
  Builder plain(pepper.get(), untold);
  plain.expect(text.size());
  std::string check;
  if (!path.ends_with(".json") &&
      read_plain_keys(text, [&](const ApiKeyEntry& entry) { plain.add(entry); }, &check)) {
    if (auto table = plain.finish(check)) return table;
    if (text.size() > placed_bytes_max) {
      problems.add_all(untold);
      return nullptr;
    }
  }
  const auto file = ApiKeyFile::parse_document(text, path, shown, problems);
  return file ? make(*file, std::move(pepper), problems) : nullptr;
}

std::shared_ptr<const ApiKeyTable> ApiKeyTable::make(const ApiKeyFile& file,
                                                     std::shared_ptr<const std::string> pepper,
                                                     config::Problems& problems) {
  Builder builder(pepper.get(), problems);
  for (const ApiKeyEntry& from : file.keys) builder.add(from);
  return builder.finish(file.pepper_check);
}

std::optional<ApiKeyFile> ApiKeyTable::check(std::string_view text, const std::string& path,
                                             const std::string& shown, config::Problems& problems) {
  const auto good = [](const ApiKeyFile& file, config::Problems& found) {
    Builder builder(nullptr, found);
    builder.take_any_pepper();
    for (const ApiKeyEntry& from : file.keys) builder.add(from);
    return builder.finish(file.pepper_check) != nullptr;
  };
  config::Problems untold;  // as in parse()
  std::optional<ApiKeyFile> file = ApiKeyFile::parse(text, path, shown, untold);
  if (file && good(*file, untold)) return file;
  if (file && text.size() <= placed_bytes_max) {
    file = ApiKeyFile::parse_document(text, path, shown, problems);
    if (file && good(*file, problems)) return file;
  } else {
    problems.add_all(untold);
  }
  return std::nullopt;
}

// The slot that has the id's entry, or the free one where it would be.
size_t ApiKeyTable::slot_of(std::string_view id) const noexcept {
  size_t slot = first_slot(id);
  while (slots_[slot] != none && id_at(slots_[slot]) != id) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

const ApiKeyTable::Entry* ApiKeyTable::entry_with(std::string_view id) const noexcept {
  const uint32_t place = slots_[slot_of(id)];
  return place == none ? nullptr : &entries_[place];
}

size_t ApiKeyTable::without_pepper() const noexcept {
  return static_cast<size_t>(std::ranges::count(entries_, false, &Entry::peppered));
}

Result<uint32_t> ApiKeyTable::find(std::string_view key) const {
  const auto text = ApiKeyText::parse(key);
  if (!text) return bad("malformed_key", "this is not an API key");
  const Entry* found = entry_with(text->id);
  static const Entry nobody{};  // an unknown id costs the same hash and comparison
  const Entry& entry = found != nullptr ? *found : nobody;
  const bool with_pepper = peppered_ != nullptr && (found == nullptr || entry.peppered);
  const crypto::Digest digest = with_pepper ? (*peppered_)(text->secret) : crypto::sha256(text->secret);
  const bool right = crypto::equal_in_constant_time(digest, entry.digest);
  if (found == nullptr) return bad("unknown_key", "the API key is not good");
  if (!right) return bad("wrong_secret", "the API key is not good");
  return static_cast<uint32_t>(found - entries_.data());
}

Result<void> ApiKeyTable::still_good(uint32_t place, Wall now) const {
  const Entry& entry = entries_[place];
  if (entry.revoked) return bad("revoked", "the API key has been revoked");
  const int64_t seconds_now = unix_seconds(now);
  if (entry.expires_s != 0 && seconds_now >= entry.expires_s)
    return bad("expired", "the API key has expired");
  if (seconds_now < entry.not_before_s) return bad("not_yet_valid", "the API key is not good yet");
  return {};
}

std::shared_ptr<const Principal> ApiKeyTable::principal(uint32_t place) const {
  const Entry& entry = entries_[place];
  auto who = std::make_shared<Principal>();
  who->client = clients_.substr(entry.client_at, entry.client_size);
  who->credential.assign(entry.id.data(), entry.id.size());
  who->authenticator = "api_key";
  who->roles = profiles_[entry.profile].roles;
  who->scopes = profiles_[entry.profile].scopes;
  who->not_after_s = entry.expires_s;
  who->finish();
  return who;
}

ApiKeyLookup::ApiKeyLookup(std::shared_ptr<const Live<ApiKeyTable>> source) : table_(std::move(source)) {
  crypto::random_bytes(secret_.data(), sizeof secret_);
}

Verdict ApiKeyLookup::find(std::string_view key, Wall now) {
  if (const ApiKeyTable* table = table_.get(); table != seen_.get()) {
    seen_ = table_.shared();
    callers_.assign(callers_max, {});
  }
  const SipTag tag = siphash128(secret_, key.substr(0, key_size + 1));  // nothing longer is a key
  Caller& caller = callers_[tag[0] % callers_max];
  if (caller.principal == nullptr || caller.tag != tag) {
    const Result<uint32_t> place = seen_->find(key);
    if (!place) return std::unexpected(place.error());
    caller = {tag, *place, seen_->principal(*place)};
  }
  return {caller.principal, seen_->still_good(caller.place, now)};
}

}  // namespace sallyport
