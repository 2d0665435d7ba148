// Conf: a copy of conf/ with the certificate that is not committed, and `sallyport check` in the process of
// the test, without its exit.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/config/load.h"
#include "gateway/core/cache.h"
#include "gateway/server/generation.h"
#include "gateway/server/plugin_types.h"

namespace sallyport::test {

// What check says of a config: good, or what is wrong.
struct Checked {
  std::shared_ptr<server::Generation> generation;  // null: refused
  config::Problems problems;
  bool refused_without_a_word() const { return generation == nullptr && problems.empty(); }
};

class Conf {
 public:
  Conf() {
    std::string made = (std::filesystem::temp_directory_path() / "sallyport-conf-XXXXXX").string();
    if (mkdtemp(made.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = made;
    std::filesystem::copy(SALLYPORT_SOURCE_DIR "/conf", path_, std::filesystem::copy_options::recursive);
    std::filesystem::create_directory(path_ + "/tls");
    const std::string command =
        "cd " + path_ +
        "/tls && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-days 30 -keyout tls.key -out tls.crt -subj /CN=api.test 2>/dev/null";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl");
    setenv("KEY_PEPPER", "pepper", 1);
    setenv("REDIS_PASSWORD", "hunter2", 1);
  }
  Conf(const Conf&) = delete;
  ~Conf() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  // The configs in it: their directory, and their text.
  struct File {
    std::string name, directory, text;
  };
  std::vector<File> files() const {
    std::vector<File> all = {{"sallyport.yaml", path_, text_of(path_ + "/sallyport.yaml")}};
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/examples"))
      all.push_back({entry.path().filename().string(), path_ + "/examples", text_of(entry.path())});
    std::ranges::sort(all, {}, &File::name);
    return all;
  }

  static Checked check(std::string_view text, const std::string& directory) {
    Checked checked;
    Cache process;
    checked.generation = server::Generation::make(
        config::load_text(text, "t.yaml", directory, server::plugin_keys(), server::keys_everywhere()),
        "t.yaml", process, nullptr, nullptr, checked.problems);
    return checked;
  }

 private:
  static std::string text_of(const std::filesystem::path& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  std::string path_;
};

}  // namespace sallyport::test
