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
    const auto found = table->find(key);
    if (!found) return std::string(found.error().reason);
    const auto good = table->still_good(*found, when);
    return good ? "good" : std::string(good.error().reason);
  };
  const auto found = table->find(good);
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
  CHECK(peppered_otherwise->find(good).error().reason == "wrong_secret");
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
  REQUIRE(first.good);
  CHECK(keys.find(one, now).who == first.who);
  CHECK(keys.find(other, now).who != first.who);
  ApiKeyEntry changed = entry_for(other, nullptr);  // at the place where the first was
  changed.client = "globex";
  changed.roles.clear();
  live->publish(table_of({changed}, nullptr));
  CHECK(keys.find(one, now).good.error().reason == "unknown_key");
  CHECK(keys.find(one, now).who == nullptr);
  CHECK(keys.find(other, now).who->client == "globex");
  CHECK(keys.find(other, now).who->roles.empty());
  CHECK(first.who->client == "acme");
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
    const auto found = table->find(keys[i]);
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

TEST_CASE("whose a revoked key was is known; whose a forged one, is not") {
  const std::string key = ApiKeyText::generate();
  ApiKeyEntry entry = entry_for(key, nullptr), forged = entry_for(ApiKeyText::generate(), nullptr);
  entry.revoked = "2026-01-01T00:00:00Z";
  const auto live = std::make_shared<Live<ApiKeyTable>>();
  live->publish(table_of({entry, forged}, nullptr));
  ApiKeyLookup keys(live);
  for (int i = 0; i < 2; ++i) {
    const Verdict verdict = keys.find(key, at("2026-01-15T00:00:00Z"));
    CHECK(verdict.good.error().reason == "revoked");
    REQUIRE(verdict.who);
    CHECK(verdict.who->client == "acme");
  }
}

TEST_CASE("names that a backend could misread are told with what is wrong") {
  const auto problems = [](const std::string& client, const std::string& role, const std::string& scope) {
    ApiKeyFile file;
    file.keys = {entry_for(ApiKeyText::generate(), nullptr)};
    file.keys.front().client = client;
    file.keys.front().roles = {role};
    file.keys.front().scopes = {"first", scope};
    config::Problems found;
    const bool good = ApiKeyTable::make(file, nullptr, found) != nullptr;
    CHECK(good == found.empty());
    return found.text();
  };
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  CHECK(problems("acme Ltd, M\u00fcller", "clerk", "orders:read") == "");
  has(problems("a\r\nX-Client-Roles: admin", "clerk", "x"),
      "client \"a\\x0d\\x0aX-Client-Roles: admin\" has control");
  for (const char* client : {"", " a", "a ", "a\tb", "a\x7f", "\u0085", "a\xff"})
    has(problems(client, "clerk", "x"), "client");
  has(problems(std::string(1025, 'a'), "clerk", "x"), "longer");
  for (const char* role : {"", "a,b", "a b", "a\n"}) has(problems("acme", role, "x"), "role");
  for (const char* scope : {"", "a,b", "a b", "\x01"}) has(problems("acme", "clerk", scope), "scope");
}

TEST_CASE("a file knows the pepper of its keys again") {
  const std::string pepper = "pepper";
  ApiKeyFile file;
  file.keys = {entry_for(ApiKeyText::generate(), &pepper)};
  file.pepper_check = pepper_check(pepper);
  config::Problems problems;
  CHECK(ApiKeyTable::make(file, std::make_shared<const std::string>(pepper), problems) != nullptr);
  CHECK(ApiKeyTable::make(file, std::make_shared<const std::string>("salt"), problems) == nullptr);
  CHECK(problems.text().find("another pepper") != std::string::npos);
}
