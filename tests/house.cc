// The rules of the house, as a test: who includes whom, how long files and functions are, where foreign
// libraries may be seen.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct File {
  std::string path;  // from the top of the tree
  std::vector<std::string> lines;
};

std::vector<File> sources(const std::vector<std::string>& folders = {"gateway", "plugins"}) {
  std::vector<File> all;
  const fs::path top = SALLYPORT_SOURCE_DIR;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(top / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc") continue;
      File file{fs::relative(entry.path(), top).string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      all.push_back(std::move(file));
    }
  }
  return all;
}

struct Function {
  std::string head;  // its signature
  size_t line = 0;   // where that begins, from 1
  size_t lines = 0;  // to its last brace
};

// The code without what could hold a brace that opens nothing: comments, text, directives.
std::string bare_code(const File& file) {
  std::string code;
  for (const std::string& line : file.lines) code += (line.starts_with("#") ? "" : line) + '\n';
  static const std::regex other(
      R"re(//[^\n]*|R"(\w*)\([^]*?\)\1"|"(?:[^"\\\n]|\\.)*"|\b\d[\w']*|'(?:[^'\\\n]|\\.)*')re");
  std::string out;
  auto from = code.cbegin();
  for (std::sregex_iterator at(code.begin(), code.end(), other), none; at != none; ++at) {
    out.append(from, (*at)[0].first);
    out.append(static_cast<size_t>(std::count((*at)[0].first, (*at)[0].second, '\n')), '\n');
    from = (*at)[0].second;
  }
  return out.append(from, code.cend());
}

// Those within no other: what a lambda or a local class has counts for whoever they stand in.
std::vector<Function> functions_of(const File& file) {
  static const std::regex other_block(
      R"(^(if|for|while|switch|catch|else|do|return|namespace|class|struct|enum|union)\b|=\s*[\w:<>]*$)");
  std::vector<Function> all;
  std::vector<bool> is_function;  // of the blocks that are open
  std::string statement;
  size_t line = 1, begin = 1, within = 0;
  for (const char c : bare_code(file)) {
    if (c == '\n') ++line;
    if (c == '{') {
      const bool opens = within == 0 && statement.contains('(') && !std::regex_search(statement, other_block);
      if (opens) all.push_back({statement, begin, 0});
      is_function.push_back(opens);
      within += opens ? 1 : 0;
    } else if (c == '}' && !is_function.empty()) {
      if (is_function.back()) all.back().lines = line - all.back().line + 1;
      within -= is_function.back() ? 1 : 0;
      is_function.pop_back();
    }
    if (c == '{' || c == '}' || c == ';') {
      statement.clear();
    } else if (!statement.empty() || std::isspace(static_cast<unsigned char>(c)) == 0) {
      if (statement.empty()) begin = line;
      statement += c;
    }
  }
  return all;
}

std::string room_of(const std::string& path) {
  if (path.starts_with("plugins/")) return "plugins";
  const size_t slash = path.find('/', 8);
  return slash == std::string::npos ? "main" : path.substr(8, slash - 8);
}

// What each room may include, itself aside. store sees net for its transport and config for its block.
const std::map<std::string, std::set<std::string>> allowed = {
    {"base", {}},
    {"async", {"base"}},
    {"json", {"base"}},
    {"crypto", {"base"}},
    {"net", {"base", "async", "crypto"}},
    {"http", {"base", "async", "net"}},
    {"config", {"base", "json"}},
    {"observe", {"base", "async"}},
    {"store", {"base", "async", "net", "crypto", "config", "observe"}},
    {"core", {"base", "async", "json", "http", "config", "observe"}},
    {"upstream", {"base", "async", "crypto", "net", "http", "config", "observe", "core"}},
    {"plugins", {"base", "async", "json", "crypto", "store", "config", "observe", "core", "http"}},
    {"server", {"base", "async", "json", "net", "http", "config", "observe", "core", "upstream", "plugins"}},
    {"main", {"base", "server", "plugins"}},
};

struct Fence {
  const char* header;  // a regular expression over what is included
  const char* inside;  // over the paths that may
};
const std::array<Fence, 11> fences = {{{"^uv\\.h", "^gateway/(async|net)/"},
                                       {"^ares", "^gateway/net/ares_channel"},
                                       {"^llhttp\\.h", "^gateway/http/h1"},
                                       {"^nghttp2/", "^gateway/http/h2"},
                                       {"^openssl/", "^gateway/(net/(tls|certificates)|crypto/)"},
                                       {"^yaml-cpp/", "^gateway/config/"},
                                       {"^hiredis/", "^gateway/store/"},
                                       {"^prometheus/", "^gateway/observe/"},
                                       {"^simdjson", "^gateway/json/"},
                                       {"^re2/", "^gateway/base/pattern"},
                                       {"^CLI/", "^(gateway/main|plugins/authenticate/key_commands)"}}};

}  // namespace

TEST_CASE("rooms include only the rooms they may") {
  const std::regex include("#include \"((gateway|plugins)/[^\"]+)\"");
  for (const File& file : sources()) {
    const std::string from = room_of(file.path);
    for (const std::string& line : file.lines) {
      std::smatch found;
      if (!std::regex_search(line, found, include)) continue;
      const std::string to = room_of(found[1]);
      INFO(file.path << ": " << line);
      CHECK((to == from || allowed.at(from).contains(to)));
    }
  }
}

TEST_CASE("foreign libraries stay behind their fences") {
  const std::regex include("#include <([^>]+)>");
  for (const File& file : sources()) {
    for (const std::string& line : file.lines) {
      std::smatch found;
      if (!std::regex_search(line, found, include)) continue;
      for (const Fence& fence : fences) {
        if (!std::regex_search(found[1].str(), std::regex(fence.header))) continue;
        INFO(file.path << ": " << line);
        CHECK(std::regex_search(file.path, std::regex(fence.inside)));
      }
    }
  }
}

TEST_CASE("a file has 400 lines at most, a function 60, wherever it stands and however it begins") {
  for (const File& file : sources()) {
    INFO(file.path);
    CHECK(file.lines.size() <= 400);
  }
  size_t functions = 0;
  for (const File& file : sources({"gateway", "plugins", "tests", "benchmarks"})) {
    for (const Function& function : functions_of(file)) {
      INFO(file.path << ":" << function.line << ": " << function.head);
      CHECK(function.lines <= 60);
      ++functions;
    }
  }
  CHECK(functions > 3000);
}

TEST_CASE("a header opens with what it is, and is guarded") {
  for (const File& file : sources()) {
    if (!file.path.ends_with(".h")) continue;
    INFO(file.path);
    CHECK(file.lines.front().starts_with("// "));
    CHECK(std::ranges::find(file.lines, "#pragma once") != file.lines.end());
  }
}

TEST_CASE("no coroutine is a lambda that captures") {
  const std::regex lambda(R"(\[[^\]]*[&=\w][^\]]*\]\s*\([^)]*\)\s*(mutable\s*)?->\s*Task<)");
  for (const File& file : sources()) {
    for (const std::string& line : file.lines) {
      INFO(file.path << ": " << line);
      CHECK_FALSE(std::regex_search(line, lambda));
    }
  }
}

TEST_CASE("the binary has one TLS library") {
  std::FILE* list = popen("ldd " SALLYPORT_BINARY, "r");
  std::string all;
  std::array<char, 4096> block;
  while (std::fgets(block.data(), block.size(), list) != nullptr) all += block.data();
  pclose(list);
  size_t found = 0;
  for (size_t at = all.find("libssl"); at != std::string::npos; at = all.find("libssl", at + 1)) ++found;
  CHECK(found <= 2);  // the name and its path, of one library; none if it is linked in
  CHECK(all.find("libgnutls") == std::string::npos);
  CHECK(all.find("libssl.so.1") == std::string::npos);  // OpenSSL's; BoringSSL's is libssl.so.0, or linked in
  CHECK(all.find("libssl.so.3") == std::string::npos);
}
