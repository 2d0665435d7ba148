// A schema and a document, both of any bytes, with a NUL between them: compiling and checking never crash and
// always end; and a fixed schema over the same document.
#include <string>

#include "gateway/config/yaml.h"
#include "plugins/validate/schema.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(all.find('\0'), all.size());
  const std::string_view document = cut < all.size() ? all.substr(cut + 1) : all;
  static json::Parser parser(1 << 20, 64);
  const auto value = parser.parse(document);
  config::Problems problems;
  const auto node = config::parse_json(all.substr(0, cut), "schema.json", problems);
  const auto schema = node == nullptr ? nullptr : Schema::compile(*node, problems);
  std::vector<Violation> violations;
  Meter meter = Meter::of_bytes(document.size());
  if (value && schema != nullptr && !schema->check(*value, meter, &violations) && violations.empty() &&
      !meter.exhausted())
    __builtin_trap();
  return 0;
}
