#include "plugins/authenticate/api_key.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "gateway/base/units.h"

using namespace sallyport;

namespace {

Wall at(const std::string& time) { return *parse_date_time(time); }

ApiKeyEntry entry_for(const std::string& key, const std::string* pepper) {
  const auto parts = ApiKeyText::parse(key);
  REQUIRE(parts);
  ApiKeyEntry entry;
  entry.id = parts->id;
  entry.client = "acme";
  entry.hash = hash_secret(parts->secret, pepper);
  entry.roles = {"clerk"};
  return entry;
}

std::shared_ptr<const ApiKeyTable> table_of(std::vector<ApiKeyEntry> entries, const std::string* pepper) {
  ApiKeyFile file;
  file.keys = std::move(entries);
  config::Problems problems;
  auto table = ApiKeyTable::make(
      file, pepper == nullptr ? nullptr : std::make_shared<const std::string>(*pepper), problems);
  CHECK(problems.text() == "");
  return table;
}

}  // namespace

TEST_CASE("a key has one form, and a digit that changed is noticed") {
  std::set<std::string> all;
  for (int i = 0; i < 50; ++i) {
    const std::string key = ApiKeyText::generate();
    CHECK(all.insert(key).second);
    CHECK(ApiKeyText::parse(key));
    for (size_t digit = 0; digit < key.size(); ++digit) {
      std::string other = key;
      other[digit] = other[digit] == 'a' ? 'b' : 'a';
      CHECK_FALSE(ApiKeyText::parse(other));
    }
    CHECK_FALSE(ApiKeyText::parse(key + "a"));
    CHECK_FALSE(ApiKeyText::parse(key.substr(1)));
    CHECK_FALSE(ApiKeyText::parse(key.substr(0, key.size() - 1)));
  }
  for (const char* text : {"", "sp_", "sp___", "nonsense"}) CHECK_FALSE(ApiKeyText::parse(text));
}

TEST_CASE("the check digits are a CRC-32, so that a scanner can tell them") {
  // zlib.crc32(b"sp_000000000000_" + b"0" * 43) = 0x5fe9b2b8 or so is what a scanner computes: the digits are
  // that number in base 62, the lowest first.
  const std::string text = "sp_000000000000_" + std::string(43, '0');
  uint32_t crc = ~0U;
  for (char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
  }
  crc = ~crc;
  std::string digits;
  for (int i = 0; i < 6; ++i, crc /= 62)
    digits += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[crc % 62];
  CHECK(ApiKeyText::parse(text + "_" + digits));
}

TEST_CASE("who a key belongs to, and why another is refused") {
  const std::string pepper = "pepper", wrong = "salt";
  const std::string good = ApiKeyText::generate(), revoked = ApiKeyText::generate(),
                    limited = ApiKeyText::generate();
  ApiKeyEntry r = entry_for(revoked, &pepper), l = entry_for(limited, &pepper);
  r.revoked = "2026-01-01T00:00:00Z";
  l.not_before = "2026-01-01T00:00:00Z";
  l.expires = "2026-02-01T00:00:00Z";
  const auto table = table_of({entry_for(good, &pepper), r, l}, &pepper);
  const Wall now = at("2026-01-15T00:00:00Z");
  const auto reason = [&](const std::string& key, Wall when) {
    const auto found = table->find(key, when);
    return found ? "good" : std::string(found.error().reason);
  };
  const auto found = table->find(good, now);
  REQUIRE(found);
  const auto who = table->principal(*found);
  CHECK(who->client == "acme");
  CHECK(who->credential == ApiKeyText::parse(good)->id);
  CHECK(who->has_role("clerk"));
  CHECK(reason(revoked, now) == "revoked");
  CHECK(reason(limited, now) == "good");
  CHECK(reason(limited, at("2025-12-31T23:59:59Z")) == "not_yet_valid");
  CHECK(reason(limited, at("2026-02-01T00:00:00Z")) == "expired");
  CHECK(reason(ApiKeyText::generate(), now) == "unknown_key");
  CHECK(reason("nonsense", now) == "malformed_key");
  const auto peppered_otherwise = table_of({entry_for(good, &wrong)}, &pepper);
  CHECK(peppered_otherwise->find(good, now).error().reason == "wrong_secret");
}

TEST_CASE("a hash that was made with a pepper is of no use without it") {
  const std::string pepper = "pepper";
  const std::string key = ApiKeyText::generate();
  ApiKeyFile file;
  file.keys = {entry_for(key, &pepper)};
  config::Problems problems;
  CHECK(ApiKeyTable::make(file, nullptr, problems) == nullptr);
  CHECK_FALSE(problems.empty());
}

TEST_CASE("a worker keeps the callers it knows, and forgets them with their table") {
  const std::string one = ApiKeyText::generate(), other = ApiKeyText::generate();
  const Wall now = at("2026-01-15T00:00:00Z");
  const auto live = std::make_shared<Live<ApiKeyTable>>();
  live->publish(table_of({entry_for(one, nullptr), entry_for(other, nullptr)}, nullptr));
  ApiKeyLookup keys(live);
  const auto first = keys.find(one, now);
  REQUIRE(first);
  CHECK(keys.find(one, now)->get() == first->get());
  CHECK(keys.find(other, now)->get() != first->get());
  ApiKeyEntry changed = entry_for(other, nullptr);  // at the place where the first was
  changed.client = "globex";
  changed.roles.clear();
  live->publish(table_of({changed}, nullptr));
  CHECK(keys.find(one, now).error().reason == "unknown_key");
  CHECK((*keys.find(other, now))->client == "globex");
  CHECK((*keys.find(other, now))->roles.empty());
  CHECK((*first)->client == "acme");
}

TEST_CASE("many keys are found among many, each as its own") {
  std::vector<std::string> keys;
  std::vector<ApiKeyEntry> entries;
  for (int i = 0; i < 500; ++i) {
    keys.push_back(ApiKeyText::generate());
    entries.push_back(entry_for(keys.back(), nullptr));
    entries.back().client = "client-" + std::to_string(i);
    entries.back().roles = {i % 2 == 0 ? "even" : "odd"};
  }
  const auto table = table_of(std::move(entries), nullptr);
  CHECK(table->size() == 500);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = table->find(keys[i], at("2026-01-15T00:00:00Z"));
    REQUIRE(found);
    const auto who = table->principal(*found);
    CHECK(who->client == "client-" + std::to_string(i));
    CHECK(who->roles_text == (i % 2 == 0 ? "even" : "odd"));
    CHECK(who->scopes.empty());
  }
}

TEST_CASE("an id that is there twice, or is none, is told") {
  const std::string key = ApiKeyText::generate();
  ApiKeyFile file;
  file.keys = {entry_for(key, nullptr), entry_for(key, nullptr), entry_for(ApiKeyText::generate(), nullptr)};
  file.keys.back().id = "short";
  config::Problems problems;
  CHECK(ApiKeyTable::make(file, nullptr, problems) == nullptr);
  CHECK(problems.text().find("its id is there twice") != std::string::npos);
  CHECK(problems.text().find("not 12 letters and digits") != std::string::npos);
}
