// API keys: their form, and the table of those that are good.
//
// A key reads sp_ID_SECRET_CHECK: an id for the look-up, 256 random bits in base 62, and six digits by which
// a scanner tells a leaked key from other text. Only a hash of the secret is ever kept.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/live.h"
#include "gateway/base/siphash.h"
#include "gateway/config/problems.h"
#include "gateway/crypto/hash.h"
#include "plugins/authenticate/api_key_file.h"
#include "plugins/authenticate/verdict.h"

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

// "hmac-sha256:HEX" or, without a pepper, "sha256:HEX".
std::string hash_secret(std::string_view secret, const std::string* pepper);

// What a key file notes of its pepper, so that another one is noticed.
std::string pepper_check(const std::string& pepper);

// What is wrong with the entry's client, roles and scopes, in one sentence; empty: nothing.
std::string wrong_with_names(const ApiKeyEntry& entry);

// The keys of one file, ready for look-ups: about a hundred bytes a key. Immutable; any thread.
class ApiKeyTable {
 public:
  static constexpr size_t id_size = 12;

  // Of a key file's text. Null, with problems, if anything in it is wrong.
  static std::shared_ptr<const ApiKeyTable> parse(std::string_view text, const std::string& path,
                                                  const std::string& shown,
                                                  std::shared_ptr<const std::string> pepper,
                                                  config::Problems& problems);
  // Problems: another pepper than the file's, an entry that needs one and there is none, an id, a name, a
  // hash or a time that does not parse.
  static std::shared_ptr<const ApiKeyTable> make(const ApiKeyFile& file,
                                                 std::shared_ptr<const std::string> pepper,
                                                 config::Problems& problems);
  // The entries of a text, if the gateway would take it as its key file: what parse() looks at, whatever the
  // pepper. Nothing, with problems, otherwise.
  static std::optional<ApiKeyFile> check(std::string_view text, const std::string& path,
                                         const std::string& shown, config::Problems& problems);

  // The key's place in this table. Errors: bad_credentials with the reason malformed_key, unknown_key or
  // wrong_secret. Takes the same time for a wrong secret and an unknown id.
  Result<uint32_t> find(std::string_view key) const;
  // Whether a key that was found is good now. Errors: bad_credentials with the reason revoked, expired or
  // not_yet_valid.
  Result<void> still_good(uint32_t place, Wall now) const;
  // Who the key at that place belongs to; made anew.
  std::shared_ptr<const Principal> principal(uint32_t place) const;
  size_t size() const noexcept { return entries_.size(); }
  // How many keys are hashed without a pepper; they are good beside one, too.
  size_t without_pepper() const noexcept;

 private:
  class Builder;
  struct Entry {
    crypto::Digest digest{};
    std::array<char, id_size> id{};
    uint32_t client_at = 0;  // in clients_
    uint32_t profile = 0;    // in profiles_
    uint16_t client_size = 0;
    bool peppered = false;
    bool revoked = false;
    int64_t not_before_s = 0;
    int64_t expires_s = 0;  // 0: never
  };
  // What many keys have in common.
  struct Profile {
    std::vector<std::string> roles;
    std::vector<std::string> scopes;
  };
  static constexpr uint32_t none = ~uint32_t{0};

  std::string_view id_at(uint32_t place) const noexcept { return {entries_[place].id.data(), id_size}; }
  size_t first_slot(std::string_view id) const noexcept {
    return std::hash<std::string_view>{}(id) & (slots_.size() - 1);
  }
  size_t slot_of(std::string_view id) const noexcept;
  const Entry* entry_with(std::string_view id) const noexcept;

  std::unique_ptr<const crypto::HmacSha256> peppered_;  // null: there is no pepper
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // places of entries by the hash of the id, a power of two, half of them free
  std::string clients_;
  std::vector<Profile> profiles_;
};

// A worker's look-ups in a table that may be replaced: the callers that were there last are kept, each with
// 128 bits of SipHash of the key by which it was found (a key of this process: nothing of the secret is
// kept), so that a known key costs no SHA-256 and no allocation.
class ApiKeyLookup {
 public:
  explicit ApiKeyLookup(std::shared_ptr<const Live<ApiKeyTable>> source);
  // Errors as of ApiKeyTable::find and still_good.
  Verdict find(std::string_view key, Wall now);

 private:
  static constexpr size_t callers_max = 1024;
  struct Caller {
    SipTag tag{};
    uint32_t place = 0;
    std::shared_ptr<const Principal> principal;
  };
  SipKey secret_;
  LiveReader<ApiKeyTable> table_;
  std::shared_ptr<const ApiKeyTable> seen_;  // whose places callers_ has
  std::vector<Caller> callers_;
};

}  // namespace sallyport
