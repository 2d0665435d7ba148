#include "gateway/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "gateway/base/text.h"
#include "gateway/config/address.h"
#include "gateway/config/load_routes.h"
#include "gateway/config/warnings.h"
#include "gateway/config/yaml.h"

namespace sallyport::config {
namespace {

// The directory that relative paths of this file start from.
std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string place(const Mark& mark) { return fmt::format("line {}", mark.line); }

void check_listener_names(const Model& model, Problems& problems) {
  std::map<std::string_view, const Listener*> seen;
  for (const Listener& listener : model.listeners) {
    if (listener.name.empty()) continue;
    const auto [first, fresh] = seen.emplace(listener.name, &listener);
    if (fresh) continue;
    problems.add(listener.mark, fmt::format("a second listener is called \"{}\": the first is at {}",
                                            text::printable(listener.name), place(first->second->mark)));
  }
}

// Two listeners cannot have one address; port 0 is a different one each time.
void check_addresses(const Model& model, Problems& problems) {
  std::map<std::string, std::string> seen;
  auto check = [&](const std::string& written, const Mark& mark, const std::string& who) {
    const auto address = parse_address(written);
    if (!address || (address->kind == Address::Kind::ip && address->port == 0)) return;
    const auto [first, fresh] = seen.emplace(to_string(*address), who);
    if (fresh) return;
    problems.add(mark,
                 fmt::format("{} has the address {}, as has {}", who, to_string(*address), first->second));
  };
  for (const Listener& listener : model.listeners) {
    check(listener.address, listener.mark, fmt::format("listener \"{}\"", text::printable(listener.name)));
  }
  if (model.admin) check(model.admin->address, model.admin->mark, "admin");
}

void read(const Node& document, std::span<const std::string_view> plugin_keys,
          std::span<const std::string_view> everywhere, Loaded& loaded) {
  auto model = std::make_shared<Model>();
  Reader reader(document, loaded.problems, "", loaded.directory);
  reader.value(*model);
  if (document.is_map()) {
    read_defaults(reader, plugin_keys, everywhere, *model);
    read_routes(reader, plugin_keys, *model);
    check_listener_names(*model, loaded.problems);
    check_addresses(*model, loaded.problems);
    check_routes(*model, loaded.problems);
    warn_of_routes(*model, loaded.problems);
    warn_of_model(document, *model, loaded.problems);
  }
  loaded.model = std::move(model);
}

}  // namespace

Loaded load(const std::string& path, std::span<const std::string_view> plugin_keys,
            std::span<const std::string_view> everywhere) {
  Loaded loaded;
  loaded.directory = directory_of(path);
  loaded.document = read_document(path, path, loaded.problems);
  if (loaded.document) read(*loaded.document, plugin_keys, everywhere, loaded);
  return loaded;
}

Loaded load_text(std::string_view text, const std::string& file_name, const std::string& directory,
                 std::span<const std::string_view> plugin_keys,
                 std::span<const std::string_view> everywhere) {
  Loaded loaded;
  loaded.directory = directory;
  loaded.document = parse_yaml(text, file_name, loaded.problems);
  if (loaded.document) read(*loaded.document, plugin_keys, everywhere, loaded);
  return loaded;
}

}  // namespace sallyport::config
