#include "plugins/authenticate/api_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "gateway/config/yaml.h"

namespace sallyport {
namespace {

constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t id_size = 12, secret_size = 43, check_size = 6;  // 62^43 > 2^256
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
  if (!time) return std::nullopt;
  return unix_seconds(*time);
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

std::optional<ApiKeyFile> ApiKeyFile::read(const std::string& path, const std::string& shown,
                                           config::Problems& problems) {
  config::Problems found;
  const std::unique_ptr<config::Node> document = config::read_document(path, shown, found);
  ApiKeyFile file;
  if (document != nullptr) {
    config::Reader reader(*document, found, "", "");
    reader.value(file);
    if (found.empty() && file.version != 1) reader.error("this key file has another version than 1");
  }
  for (const config::Problem& p : found.all()) problems.add(p.mark, p.message);
  if (!found.empty()) return std::nullopt;
  return file;
}

std::optional<ApiKeyTable::Entry> ApiKeyTable::entry_of(const ApiKeyEntry& from, bool has_pepper,
                                                        std::string& wrong) {
  Entry entry;
  entry.peppered = from.hash.starts_with("hmac-sha256:");
  const size_t colon = from.hash.find(':');
  const auto digest = entry.peppered || from.hash.starts_with("sha256:")
                          ? text::unhex(std::string_view(from.hash).substr(colon + 1))
                          : std::nullopt;
  if (!digest || digest->size() != entry.digest.size()) {
    wrong = "its hash is neither hmac-sha256:HEX nor sha256:HEX";
    return std::nullopt;
  }
  if (entry.peppered && !has_pepper) {
    wrong = "it was made with a pepper, and the authenticator names none";
    return std::nullopt;
  }
  std::copy(digest->begin(), digest->end(), entry.digest.begin());
  const auto not_before = time_or_zero(from.not_before), expires = time_or_zero(from.expires),
             revoked = time_or_zero(from.revoked);
  if (!not_before || !expires || !revoked) {
    wrong = "one of its times is not in UTC such as 2026-01-02T03:04:05Z";
    return std::nullopt;
  }
  entry.not_before_s = *not_before;
  entry.expires_s = *expires;
  entry.revoked = !from.revoked.empty();
  auto principal = std::make_shared<Principal>();
  principal->client = from.client;
  principal->credential = from.id;
  principal->authenticator = "api_key";
  principal->roles = from.roles;
  principal->scopes = from.scopes;
  principal->not_after_s = entry.expires_s;
  principal->finish();
  entry.principal = std::move(principal);
  return entry;
}

std::shared_ptr<const ApiKeyTable> ApiKeyTable::make(const ApiKeyFile& file,
                                                     std::shared_ptr<const std::string> pepper,
                                                     config::Problems& problems) {
  auto table = std::make_shared<ApiKeyTable>();
  if (pepper != nullptr) table->peppered_ = std::make_unique<crypto::HmacSha256>(*pepper);
  bool good = true;
  for (const ApiKeyEntry& from : file.keys) {
    std::string wrong;
    auto entry = entry_of(from, table->peppered_ != nullptr, wrong);
    if (entry && !table->entries_.emplace(from.id, std::move(*entry)).second) wrong = "its id is there twice";
    if (wrong.empty()) continue;
    problems.add({}, fmt::format("key {} of client {}: {}", text::printable(from.id),
                                 text::printable(from.client), wrong));
    good = false;
  }
  return good ? table : nullptr;
}

Result<std::shared_ptr<const Principal>> ApiKeyTable::find(std::string_view key, Wall now) const {
  const auto text = ApiKeyText::parse(key);
  if (!text) return bad("malformed_key", "this is not an API key");
  const auto found = entries_.find(text->id);
  const bool known = found != entries_.end();
  static const Entry nobody{};  // an unknown id costs the same hash and comparison
  const Entry& entry = known ? found->second : nobody;
  const bool with_pepper = peppered_ != nullptr && (!known || entry.peppered);
  const crypto::Digest digest = with_pepper ? (*peppered_)(text->secret) : crypto::sha256(text->secret);
  const bool right = crypto::equal_in_constant_time(digest, entry.digest);
  if (!known) return bad("unknown_key", "the API key is not good");
  if (!right) return bad("wrong_secret", "the API key is not good");
  if (entry.revoked) return bad("revoked", "the API key has been revoked");
  const int64_t seconds_now = unix_seconds(now);
  if (entry.expires_s != 0 && seconds_now >= entry.expires_s)
    return bad("expired", "the API key has expired");
  if (seconds_now < entry.not_before_s) return bad("not_yet_valid", "the API key is not good yet");
  return entry.principal;
}

}  // namespace sallyport
