// Principal: who calls, as an authenticator has verified it. Immutable; shared by caches and exchanges of any
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport {

struct Principal {
  std::string client;              // the key's client, or the token's subject
  std::string credential;          // the key's id, or the token's jti; for the log, never a secret
  std::string_view authenticator;  // "api_key", "jwt"
  // The token's iss. A client's name means something only beside these two: "ann" of one issuer, "ann" of
  // another and the API key's client "ann" are three callers.
  std::string issuer;
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::vector<std::pair<std::string, std::string>>
      claims;               // of a token's strings, numbers and booleans those of ClaimNames, as text
  int64_t leeway_s = 0;     // between the clock of whoever dated the claims and ours
  int64_t not_after_s = 0;  // Unix seconds from which it is no longer good; 0: never

  // What the backend gets: "a,b" for roles, "x y" for scopes (RFC 6749 section 3.3). Filled by finish().
  std::string roles_text;
  std::string scopes_text;
  void finish();

  bool has_role(std::string_view role) const noexcept;
  bool has_scope(std::string_view scope) const noexcept;
  const std::string* claim(std::string_view name) const noexcept;
  // About how much memory it takes.
  size_t bytes() const noexcept;
};

// The claims that a config decides or counts by: of a token these are kept, and no others, whatever else is
// in it and in front of them. Filled while a snapshot is made; one worker's.
class ClaimNames {
 public:
  void add(std::string_view name) {
    if (std::ranges::find(names_, name) == names_.end()) names_.emplace_back(name);
  }
  const std::vector<std::string>& all() const noexcept { return names_; }

 private:
  std::vector<std::string> names_;
};

}  // namespace sallyport
