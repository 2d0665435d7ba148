// What the tests of load share: a directory with the files that a config names, and configs as text.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "gateway/config/load.h"

namespace sallyport::config::testing {

inline constexpr std::array<std::string_view, 7> plugin_keys = {"authenticate", "authorize", "limit",  "body",
                                                                "validate",     "forward",   "respond"};

// A directory of its own, gone with the object.
class Directory {
 public:
  Directory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "sallyport-config-").string() + std::string(6, 'X');
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Directory(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }

  const std::string& path() const noexcept { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  void write(std::string_view name, std::string_view content) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    std::ofstream(*this / name) << content;
  }

 private:
  std::string path_;
};

inline Loaded load_yaml(std::string_view text, const std::string& directory = "/nonexistent") {
  return load_text(text, "t.yaml", directory, plugin_keys);
}

// All problems, one a line, as `check` prints them; without the last line's end.
inline std::string problems_of(std::string_view text, const std::string& directory = "/nonexistent") {
  std::string all = load_yaml(text, directory).problems.text();
  if (all.ends_with('\n')) all.pop_back();
  return all;
}

// Four lines that every config needs, so that what follows begins on line 5.
inline constexpr std::string_view head = R"(version: 1
listeners:
  - { name: mesh, address: 127.0.0.1:8081, plaintext: true }

)";
inline std::string with_head(std::string_view rest) { return std::string(head) + std::string(rest); }

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace sallyport::config::testing
