#include "plugins/authenticate/api_key_file.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/config/reader.h"

using namespace sallyport;

namespace {

const std::string hash = "sha256:" + std::string(64, 'a');

std::string written(ApiKeyFile file) {
  config::Writer writer;
  writer.value(file);
  return "# a comment\n" + writer.text();
}

bool same(const ApiKeyEntry& a, const ApiKeyEntry& b) {
  return a.id == b.id && a.client == b.client && a.hash == b.hash && a.roles == b.roles &&
         a.scopes == b.scopes && a.created == b.created && a.not_before == b.not_before &&
         a.expires == b.expires && a.first_expires == b.first_expires && a.revoked == b.revoked;
}

// Nothing if the text is not in the plain form.
std::optional<std::vector<ApiKeyEntry>> plain(const std::string& text) {
  std::vector<ApiKeyEntry> out;
  if (!read_plain_keys(text, [&](const ApiKeyEntry& e) { out.push_back(e); })) return std::nullopt;
  return out;
}

std::string file_with(const std::string& lines) {
  return "version: 1\nkeys:\n  - id: k000000000g0\n    client: acme\n    hash: " + hash + "\n" + lines;
}

}  // namespace

TEST_CASE("what the writer writes is read in the plain form, and as the YAML reader reads it") {
  ApiKeyFile file;
  for (const char* client :
       {"acme",    "true", "Null",       "n",     "12",   "0x1f",     "1e5",    "a b",    "acorn",
        "x: y",    "#x",   "2026-01-01", "1_000", "0o17", "12:30:45", "-",      "é",      "back\\slash",
        "quo\"te", "/x",   "x/",         "x-",    "5d",   "10B",      "100/1m", "Müller", "a, b",
        "[a]",     "\x7f", "a\nb",       "\\",    "\\\"", "x\\",      "NO",     "~"}) {
    ApiKeyEntry entry;
    entry.id = "123456789012";
    entry.client = client;
    entry.hash = hash;
    entry.roles = {"clerk", client};
    entry.scopes.assign(10, client);  // more than stand in one line
    entry.created = "2026-01-01T00:00:00Z";
    entry.expires = "2027-01-01T00:00:00Z";
    entry.first_expires = "2027-02-01T00:00:00Z";
    CAPTURE(client);
    config::Problems problems;
    const auto read = ApiKeyFile::parse(written({1, {entry, entry}}), "keys.yaml", "keys.yaml", problems);
    CHECK(problems.text() == "");
    REQUIRE(read);
    REQUIRE(read->keys.size() == 2);
    CHECK(same(read->keys[1], entry));
    const auto at_once = plain(written({1, {entry, entry}}));
    REQUIRE(at_once);
    CHECK(same(at_once->back(), entry));
    const auto by_yaml =
        ApiKeyFile::parse_document(written({1, {entry}}), "keys.yaml", "keys.yaml", problems);
    REQUIRE(by_yaml);
    CHECK(same(by_yaml->keys.front(), entry));
  }
  ApiKeyFile with_pepper{1, {ApiKeyEntry{.id = "k000000000g0", .client = "acorn", .hash = hash}}};
  CHECK(plain(written(with_pepper)));
  with_pepper.pepper_check = "hmac-sha256:" + std::string(64, 'b');
  std::string check;
  CHECK(read_plain_keys(written(with_pepper), [](const ApiKeyEntry&) {}, &check));
  CHECK(check == with_pepper.pepper_check);
  config::Problems problems;
  const auto by_yaml = ApiKeyFile::parse_document(written(with_pepper), "keys.yaml", "keys.yaml", problems);
  REQUIRE(by_yaml);
  CHECK(by_yaml->pepper_check == check);
}

TEST_CASE("whatever is not plainly text is left to the YAML reader") {
  CHECK(plain(file_with("")));
  CHECK(plain(file_with("    roles: [a, \"b c\"]\n")));
  for (const char* lines : {"    roles: []\n",
                            "    roles: [a,b]\n",
                            "    roles: [a\n",
                            "    roles: [\"a\"b]\n",
                            "    roles: [\"a\", ]\n",
                            "    roles:\n",
                            "    roles:\n      - a\n    roles: [b]\n",
                            "    roles:\n      - a\n      -\n",
                            "      - a\n",
                            "    roles: [a]\n      - b\n",
                            "    client: other\n",
                            "    created: \"\"\n    created: x\n",
                            "    created: 2026\n",
                            "    created: true\n",
                            "    created: 0x1f\n",
                            "    created: &a x\n",
                            "    created: \"\\u0041\"\n",
                            "    created: 'x'\n",
                            "    created: x # y\n",
                            "    created: x \n",
                            "    created:\n",
                            "    unknown: x\n",
                            "  - id: x\n",
                            "keys: x\n",
                            "\n",
                            "...\n",
                            "\tcreated: x\n",
                            "    created: x\r\n",
                            "     created: x\n",
                            "    created: |\n      x\n"}) {
    CAPTURE(lines);
    CHECK_FALSE(plain(file_with(lines)));
  }
  CHECK_FALSE(plain(std::string("# a\0b\n", 6) + file_with("")));
  for (const char* text : {"", "version: 1\nkeys:\n", "version: 2\nkeys:\n  - id: x\n", "keys:\n", "{}"})
    CHECK_FALSE(plain(text));
}

TEST_CASE("what is wrong with a key file is told with its line") {
  config::Problems problems;
  CHECK_FALSE(ApiKeyFile::parse(file_with("    role: [a]\n"), "keys.yaml", "keys.yaml", problems));
  CHECK(problems.text().find("keys.yaml:6") != std::string::npos);
  CHECK(problems.text().find("did you mean \"roles\"") != std::string::npos);
}

TEST_CASE("an empty text in a key file stands for nothing: neither for never nor for not revoked") {
  for (const char* name : {"created", "not_before", "expires", "first_expires", "revoked"}) {
    CAPTURE(name);
    config::Problems problems;
    const std::string line = std::string("    ") + name + ": \"\"\n";
    CHECK_FALSE(ApiKeyFile::parse(file_with(line), "keys.yaml", "keys.yaml", problems));
    CHECK(problems.text().find("keys.yaml:6") != std::string::npos);
    CHECK(problems.text().find(std::string(name) + " is empty: give it a value, or leave the line away") !=
          std::string::npos);
  }
  for (const char* nothing : {"revoked:", "revoked: ~", "revoked: null", "revoked: ''"}) {
    CAPTURE(nothing);
    config::Problems problems;
    CHECK_FALSE(ApiKeyFile::parse(file_with(std::string("    ") + nothing + "\n"), "keys.yaml", "keys.yaml",
                                  problems));
  }
}

TEST_CASE("a file that breaks off has no entry without what limits it: the hash is its last line") {
  ApiKeyFile file;
  ApiKeyEntry key;
  key.id = "k000000000g0";
  key.client = "acme";
  key.hash = hash;
  key.roles = {"clerk"};
  key.expires = "2027-01-01T00:00:00Z";
  key.revoked = "2026-01-01T00:00:00Z";
  file.keys = {key, key};
  const std::string text = written(file);
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    const auto entries = plain(text.substr(0, at + 1));
    if (!entries) continue;  // refused
    for (const ApiKeyEntry& entry : *entries) CHECK((entry.hash.empty() || same(entry, key)));
  }
}
