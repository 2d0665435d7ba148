// Any bytes as a config, checked with all plugins as `sallyport check` does it, beside the files that the
// examples name: it is good, or refused with a reason. What is good is shown in a form that is good and shown
// as the same.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "gateway/server/server.h"
#include "tests/support/conf.h"

using namespace sallyport;
using test::Conf;

namespace {

// The files that all configs of conf/ name, as those in conf/examples/ see them and as sallyport.yaml does.
std::string directory_of(const Conf& conf) {
  std::string directory = conf.path() + "/examples";
  for (const char* name : {"tls", "schemas", "keys.yaml", "jwks.json"})
    std::filesystem::create_symlink(conf.path() + "/" + name, directory + "/" + name);
  return directory;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Conf conf;
  static const std::string directory = directory_of(conf);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const test::Checked checked = Conf::check(text, directory);
  if (checked.refused_without_a_word()) std::abort();
  if (checked.generation == nullptr) return 0;
  const std::string shown = server::effective_config(*checked.generation);
  const test::Checked again = Conf::check(shown, directory);
  if (again.generation == nullptr || server::effective_config(*again.generation) != shown) {
    std::fprintf(stderr, "%s\n--- shown as\n%s\n", again.problems.text().c_str(), shown.c_str());
    std::abort();
  }
  return 0;
}
