// The value types that a config key can have, beyond numbers, strings, durations and sizes. Immutable; any
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/error.h"
#include "gateway/config/node.h"

namespace sallyport::config {

// What a policy does with its decision. In shadow it decides, counts and logs, and lets the request pass.
enum class Mode : uint8_t { enforce, shadow, off };

// A path in the config: relative ones are relative to the file that names them.
struct FilePath {
  std::string shown;     // as written
  std::string resolved;  // as opened
  Mark mark;             // where it is written: what is wrong with the file is told there
  bool empty() const noexcept { return resolved.empty(); }
  bool operator==(const FilePath& other) const { return shown == other.shown && resolved == other.resolved; }
};

// A reference to a secret: env:NAME or file:PATH. The value is fetched at load and never printed.
struct Secret {
  std::string reference;                     // "env:KEY_PEPPER"; what `show` prints
  std::shared_ptr<const std::string> value;  // without the line's end; null when the key is absent
  bool present() const noexcept { return value != nullptr; }
  bool operator==(const Secret& other) const { return reference == other.reference; }
};

// A part of the document that its owner reads itself (a JSON Schema, a plugin's block).
using Raw = std::shared_ptr<const Node>;

}  // namespace sallyport::config
