// API keys: their form, the table of those that are good, and the file that keeps their hashes.
//
// A key reads sp_ID_SECRET_CHECK: an id for the look-up, 256 random bits in base 62, and six digits by which
// a scanner tells a leaked key from other text. Only a hash of the secret is ever kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/config/problems.h"
#include "gateway/config/reader.h"
#include "gateway/core/principal.h"
#include "gateway/crypto/hash.h"

namespace sallyport {

// The parts of a key as a client sent it; slices of that text.
struct ApiKeyText {
  std::string_view id;
  std::string_view secret;
  // Nothing if the form or the checksum is wrong; no secret has been looked at then.
  static std::optional<ApiKeyText> parse(std::string_view text) noexcept;
  // A new key with a fresh secret, and a fresh id if none is given.
  static std::string generate();
};

// One entry of a key file.
struct ApiKeyEntry {
  std::string id;
  std::string client;
  std::string hash;  // "hmac-sha256:HEX" with a pepper, "sha256:HEX" without
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::string created;     // RFC 3339, UTC, as all times
  std::string not_before;  // empty: at once
  std::string expires;     // empty: never
  std::string revoked;     // empty: it is not

  template <class IO>
  void fields(IO& io) {
    io.required("id", id);
    io.required("client", client);
    io.required("hash", hash);
    optional(io, "roles", roles);
    optional(io, "scopes", scopes);
    optional(io, "created", created);
    optional(io, "not_before", not_before);
    optional(io, "expires", expires);
    optional(io, "revoked", revoked);
  }

 private:
  template <class IO, class T>
  void optional(IO& io, std::string_view key, T& value) {
    if constexpr (std::is_same_v<IO, config::Writer>) {
      if (value.empty()) return;
    }
    io.field(key, value);
  }
};

struct ApiKeyFile {
  uint32_t version = 1;
  std::vector<ApiKeyEntry> keys;

  template <class IO>
  void fields(IO& io) {
    io.required("version", version);
    io.required("keys", keys);
  }
  // Reads and checks a whole file. Nothing, with problems that name line and column, if anything is wrong.
  static std::optional<ApiKeyFile> read(const std::string& path, const std::string& shown,
                                        config::Problems& problems);
};

// "hmac-sha256:HEX" or, without a pepper, "sha256:HEX".
std::string hash_secret(std::string_view secret, const std::string* pepper);

// The keys of one file, ready for look-ups. Immutable; any thread.
class ApiKeyTable {
 public:
  // Problems: an entry that needs a pepper and there is none, a hash or a time that does not parse.
  static std::shared_ptr<const ApiKeyTable> make(const ApiKeyFile& file,
                                                 std::shared_ptr<const std::string> pepper,
                                                 config::Problems& problems);
  // Who the key belongs to. Errors: bad_credentials with the reason malformed_key, unknown_key, wrong_secret,
  // revoked, expired or not_yet_valid. Takes the same time for a wrong secret and an unknown id.
  Result<std::shared_ptr<const Principal>> find(std::string_view key, Wall now) const;
  size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    crypto::Digest digest;
    bool peppered = false;
    int64_t not_before_s = 0;
    int64_t expires_s = 0;  // 0: never
    bool revoked = false;
    std::shared_ptr<const Principal> principal;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  static std::optional<Entry> entry_of(const ApiKeyEntry& from, bool has_pepper, std::string& wrong);

  std::unique_ptr<const crypto::HmacSha256> peppered_;  // null: there is no pepper
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace sallyport
