// YAML and JSON files as Nodes. The only door to yaml-cpp. Hostile input is expected: depth, number of nodes
// and the file's size are limited (aliases count each time they are used), duplicate keys are errors. Main
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/error.h"
#include "gateway/config/node.h"
#include "gateway/config/problems.h"

namespace sallyport::config {

struct DocumentLimits {
  size_t bytes_max = 64u << 20;
  size_t nodes_max = 4'000'000;
  size_t depth_max = 64;
};

// Parses one document; on failure adds the problems and returns null.
std::unique_ptr<Node> parse_yaml(std::string_view text, std::string_view file_name, Problems& problems,
                                 const DocumentLimits& limits = {});
// RFC 8259, strict (UTF-8, no duplicate member), with line and column of each value.
std::unique_ptr<Node> parse_json(std::string_view text, std::string_view file_name, Problems& problems,
                                 const DocumentLimits& limits = {});
// Reads the file; `.json` is read as JSON, all else as YAML.
std::unique_ptr<Node> read_document(const std::string& path, std::string_view shown_name, Problems& problems,
                                    const DocumentLimits& limits = {});

// A node as JSON text (for what is embedded in YAML but is JSON by nature).
std::string to_json(const Node& node);

}  // namespace sallyport::config
