// Any bytes as a config file: never a crash; what is read is written out in a form that reads as the same.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gateway/config/reader.h"
#include "gateway/config/yaml.h"

using namespace sallyport::config;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Problems problems;
  DocumentLimits limits;
  limits.nodes_max = 10'000;
  const auto node = parse_yaml(text, "fuzz.yaml", problems, limits);
  if (node == nullptr) {
    if (problems.empty()) std::abort();
    return 0;
  }
  Writer writer;
  writer.value(std::make_shared<const Node>(*node));
  const auto again = parse_yaml(writer.text(), "again.yaml", problems);
  if (again == nullptr || to_json(*again) != to_json(*node)) {
    std::fprintf(stderr, "%s\n--- written as\n%s\n", problems.text().c_str(), writer.text().c_str());
    std::abort();
  }
  return 0;
}
