// The file that keeps the API keys' hashes, made by `sallyport keys`: YAML, or JSON by its name.
//
// A file of a million keys is read in the one form in which Sallyport writes it, entry by entry; whatever is
// written otherwise goes through the YAML reader, which also tells what is wrong with it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/config/model_listener.h"
#include "gateway/config/problems.h"
#include "gateway/config/reader.h"

namespace sallyport {

// One entry of a key file.
struct ApiKeyEntry {
  std::string id;
  std::string client;
  std::string hash;  // "hmac-sha256:HEX" with a pepper, "sha256:HEX" without
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::string created;        // RFC 3339, UTC, as all times
  std::string not_before;     // empty: at once
  std::string expires;        // empty: never
  std::string first_expires;  // what `expires` was before a rotation made it sooner, or "never"; else empty
  std::string revoked;        // empty: it is not
  config::Mark place;         // where it stands, if it was read as YAML or JSON

  bool has_pepper() const noexcept { return hash.starts_with("hmac-sha256:"); }

  template <class IO>
  void fields(IO& io) {
    io.required("id", id);
    io.required("client", client);
    config::field_unless_empty(io, "roles", roles);
    config::field_unless_empty(io, "scopes", scopes);
    config::field_unless_empty(io, "created", created);
    config::field_unless_empty(io, "not_before", not_before);
    config::field_unless_empty(io, "expires", expires);
    config::field_unless_empty(io, "first_expires", first_expires);
    config::field_unless_empty(io, "revoked", revoked);
    io.required("hash", hash);  // last: an entry that breaks off is none, and nothing that limits it is lost
  }
  void check(config::Reader& reader) {
    place = reader.node().mark;
    for (const char* name : {"created", "not_before", "expires", "first_expires", "revoked"})
      refuse_empty(reader, name);
  }
  // Most often what a script has written of a variable that was not set: it would stand for "never", or for
  // "not revoked".
  static void refuse_empty(config::Reader& reader, const char* name);
};

struct ApiKeyFile {
  static constexpr size_t bytes_max = size_t{1} << 29;

  uint32_t version = 1;
  std::vector<ApiKeyEntry> keys;
  // By which the pepper of the keys is known again; empty: none of them has one, or the file is older than
  // this.
  std::string pepper_check;

  template <class IO>
  void fields(IO& io) {
    io.required("version", version);
    config::field_unless_empty(io, "pepper_check", pepper_check);
    io.required("keys", keys);
  }
  void check(config::Reader& reader) const { ApiKeyEntry::refuse_empty(reader, "pepper_check"); }
  // Reads and checks a whole file. Nothing, with problems that name line and column, if anything is wrong.
  static std::optional<ApiKeyFile> read(const std::string& path, const std::string& shown,
                                        config::Problems& problems);
  // The same of a text that has been read; `path` tells YAML from JSON.
  static std::optional<ApiKeyFile> parse(std::string_view text, const std::string& path,
                                         const std::string& shown, config::Problems& problems);
  // The same by the readers of YAML and JSON alone, whatever its form.
  static std::optional<ApiKeyFile> parse_document(std::string_view text, const std::string& path,
                                                  const std::string& shown, config::Problems& problems);
};

// Gives every entry of a text in turn (valid for the call), if all of it is in the form that the Writer gives
// a key file; false as soon as something is not: it may be good YAML all the same. What is given is what the
// YAML reader would read. Linear, and allocates no more than the longest entry.
bool read_plain_keys(std::string_view text, const std::function<void(const ApiKeyEntry&)>& each,
                     std::string* pepper_check = nullptr);

}  // namespace sallyport
