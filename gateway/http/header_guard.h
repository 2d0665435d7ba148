// HeaderGuard: which headers of a request no backend gets, because they say what the gateway says, or what
// only a proxy in front of it may say, or carry a credential of the config.
//
// Backends that make variables of names (CGI, WSGI, Rack, PHP, ...) read "X_Client.Id" as "X-Client-Id". So
// names are compared folded: without case, and with a hyphen for all that is neither letter nor digit.
// Another spelling of a name that the gateway knows never passes. Filled on the main thread while a config is
// read, immutable afterwards; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/http/headers.h"

namespace sallyport::http {

// True if a backend may read the name as the other, which is not the same but for its case.
bool is_spelling_of(Slice name, Slice other) noexcept;

class HeaderGuard {
 public:
  // untrusted: names that a stranger may not say; one that ends with * stands for all that begin so.
  explicit HeaderGuard(const std::vector<std::string>& untrusted);
  void add_credential(Slice name) { mark(name, credential); }
  // A header that a policy decides by: what was not looked at does not go on under its name.
  void add_read(Slice name) { mark(name, read); }

  // behind_proxy: who sent it is trusted; keep_credentials: the backend is to see them.
  bool withholds(const Header& h, bool behind_proxy, bool keep_credentials) const noexcept;
  // Nobody is believed anything in a trailer, which comes after all decisions.
  bool withholds_trailer(const Header& h) const noexcept;

 private:
  enum Mark : uint8_t { known = 1, ours = 2, untrusted_name = 4, credential = 8, read = 16, misspelt = 32 };
  struct Name {
    std::string name;  // as it is spelt where it is known
    std::string folded;
    uint8_t marks = 0;
  };
  static constexpr size_t name_bytes_max = 64, prefix_slots = 64;

  void mark(Slice name, Mark as);
  // Of all that the name is, or may be read as; then also misspelt.
  uint8_t marks_of(const Header& h) const noexcept;
  void mark_prefix(Slice prefix, Mark as);
  static size_t slot_of(Slice prefix) noexcept;
  static size_t size_slot(Slice name) noexcept { return std::min(name.size(), name_bytes_max); }
  static bool withholds(uint8_t marks, bool behind_proxy, bool keep_credentials) noexcept;

  std::array<uint8_t, header_ids> of_id_{};
  std::array<std::vector<Name>, name_bytes_max + 1> by_size_;  // the last: of all that are longer
  std::array<std::vector<Name>, prefix_slots> prefixes_;       // by their first and third character
  std::vector<Name> short_prefixes_;                           // that have no third one
};

}  // namespace sallyport::http
