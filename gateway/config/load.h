// load: a config file as a Model, with everything that can be wrong with it said at once. Main thread only.
//
// Checks all that the core knows: kinds, units, names, files that listeners and upstreams name, addresses,
// routes that match the same requests. What a plugin's block holds is checked by the plugin, which is made
// later (server/generation).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gateway/config/model.h"
#include "gateway/config/node.h"
#include "gateway/config/problems.h"

namespace sallyport::config {

struct Loaded {
  // Null if the file cannot be read or parsed. With problems it is there as far as it could be read, so that
  // the plugins can add theirs to the same list; it must not be run then.
  std::shared_ptr<const Model> model;
  Problems problems;
  std::unique_ptr<Node> document;  // the file as it was written; null with the model
  std::string directory;           // relative paths in the config start here

  bool good() const noexcept { return model != nullptr && problems.empty(); }
};

// path is shown in messages as it is given. plugin_keys: the names of all plugins, which are the keys that a
// route (and `defaults`) may have. everywhere: those of them that stand on every route, whether it has a
// block for them or not.
Loaded load(const std::string& path, std::span<const std::string_view> plugin_keys,
            std::span<const std::string_view> everywhere = {});

// The same for text in memory; file_name is only shown.
Loaded load_text(std::string_view text, const std::string& file_name, const std::string& directory,
                 std::span<const std::string_view> plugin_keys,
                 std::span<const std::string_view> everywhere = {});

}  // namespace sallyport::config
