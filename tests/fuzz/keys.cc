// Any bytes as a key file: what the reader of the plain form takes, the YAML reader takes as well, and reads
// the same in it.
#include <cstdlib>
#include <string_view>
#include <vector>

#include "plugins/authenticate/api_key_file.h"

using namespace sallyport;

namespace {

bool same(const ApiKeyEntry& a, const ApiKeyEntry& b) {
  return a.id == b.id && a.client == b.client && a.hash == b.hash && a.roles == b.roles &&
         a.scopes == b.scopes && a.created == b.created && a.not_before == b.not_before &&
         a.expires == b.expires && a.first_expires == b.first_expires && a.revoked == b.revoked;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<ApiKeyEntry> plain;
  if (!read_plain_keys(text, [&](const ApiKeyEntry& entry) { plain.push_back(entry); })) return 0;
  config::Problems problems;
  const auto whole = ApiKeyFile::parse_document(text, "keys.yaml", "keys.yaml", problems);
  if (!whole || whole->keys.size() != plain.size()) std::abort();
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!same(plain[i], whole->keys[i])) std::abort();
  }
  return 0;
}
