#include "tests/conformance/http1/cases.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace sallyport::test {
namespace {

// The text with its i-th alternatives; count: how many there are.
std::string alternative(const std::string& text, size_t i, size_t& count) {
  std::string out;
  size_t at = 0;
  for (size_t open = text.find("@{"); open != std::string::npos; open = text.find("@{", at)) {
    out.append(text, at, open - at);
    const size_t close = text.find("@}", open);
    REQUIRE(close != std::string::npos);
    std::vector<std::string> all = {""};
    for (size_t c = open + 2; c < close; ++c) {
      if (text.compare(c, 2, "@|") == 0) {
        all.emplace_back();
        ++c;
      } else {
        all.back() += text[c];
      }
    }
    count = std::max(count, all.size());
    REQUIRE(all.size() == count);
    out += all[i];
    at = close + 2;
  }
  return out.append(text, at);
}

std::string unescaped(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\' || i + 1 == s.size()) {
      out += s[i];
      continue;
    }
    switch (s[++i]) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'c':
        out += Origin::close_mark;
        break;
      case 'z':
        out += Origin::reset_mark;
        break;
      case 'i':
        out += idle_mark;
        break;
      case 'x':
        out += static_cast<char>(std::stoi(s.substr(i + 1, 2), nullptr, 16));
        i += 2;
        break;
      case '(': {  // \(text*times\)
        const size_t star = s.find('*', i), end = s.find("\\)", i);
        const std::string text = unescaped(s.substr(i + 1, star - i - 1));
        for (int n = std::stoi(s.substr(star + 1)); n > 0; --n) out += text;
        i = end + 1;
        break;
      }
      default:
        out += s[i];
    }
  }
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

// A line of the file as bytes: with CRLF, unless it ends with a backslash that stands alone.
std::string bytes_of(const std::string& line) {
  size_t slashes = 0;
  while (slashes < line.size() && line[line.size() - 1 - slashes] == '\\') ++slashes;
  if (slashes % 2 == 1) return unescaped(line.substr(0, line.size() - 1));
  return unescaped(line) + "\r\n";
}

std::vector<Case> read_cases(const std::string& file_name) {
  std::vector<Case> cases;
  std::ifstream file(SALLYPORT_SOURCE_DIR "/tests/conformance/http1/" + file_name);
  std::string name, text;
  const auto take = [&] {
    if (name.empty()) return;
    size_t count = 1;
    for (size_t i = 0; i < count; ++i) {
      Case one{name, lines_of(alternative(text, i, count))};
      while (!one.lines.empty() && one.lines.back().empty()) one.lines.pop_back();
      cases.push_back(std::move(one));
    }
  };
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("== ")) {
      text += line + "\n";
      continue;
    }
    take();
    name = line.substr(3);
    text.clear();
  }
  take();
  return cases;
}

std::string shown(const std::string& bytes) {
  std::string out;
  for (const char c : bytes.substr(0, 400)) {
    const auto byte = static_cast<unsigned char>(c);
    static constexpr char hex[] = "0123456789abcdef";
    if (c == '\r')
      out += "\\r";
    else if (c == '\n')
      out += "\\n\n";
    else if (byte < 0x20 || byte > 0x7e)
      out += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    else
      out += c;
  }
  return out;
}

}  // namespace sallyport::test
