// Raw requests to the real binary, over TLS, with a recording backend behind it: what each is answered, and
// what of it the backend gets, byte for byte. The cases are in requests.txt.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

struct Step {
  int status = 0;
  std::string authority = "api.test";
  std::string forwarded;  // empty: nothing reaches the backend
};

struct Case {
  std::string name;
  std::string request;
  std::vector<Step> steps;
};

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

// A line of the file as bytes: with CRLF, unless it ends with a backslash that stands alone.
std::string bytes_of(const std::string& line) {
  size_t slashes = 0;
  while (slashes < line.size() && line[line.size() - 1 - slashes] == '\\') ++slashes;
  if (slashes % 2 == 1) return unescaped(line.substr(0, line.size() - 1));
  return unescaped(line) + "\r\n";
}

Case read_case(const std::string& name, const std::vector<std::string>& lines, size_t i, size_t& count) {
  Case out{name, "", {}};
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  std::istringstream in(alternative(all, i, count));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("-> ")) {
      out.steps.push_back({std::stoi(line.substr(3)), "api.test", ""});
    } else if (!out.steps.empty() && line.starts_with(": ")) {
      out.steps.back().authority = line.substr(2);
    } else if (!out.steps.empty() && line.starts_with("|")) {
      out.steps.back().forwarded += bytes_of(line.size() > 2 ? line.substr(2) : "");
    } else if (out.steps.empty()) {
      out.request += bytes_of(line);
    }
  }
  REQUIRE_FALSE(out.steps.empty());
  return out;
}

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  std::ifstream file(SALLYPORT_SOURCE_DIR "/tests/conformance/http1/requests.txt");
  std::string name;
  std::vector<std::string> lines;
  const auto take = [&] {
    if (name.empty()) return;
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    size_t count = 1;
    for (size_t i = 0; i < count; ++i) cases.push_back(read_case(name, lines, i, count));
  };
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("== ")) {
      lines.push_back(line);
      continue;
    }
    take();
    name = line.substr(3);
    lines.clear();
  }
  take();
  return cases;
}

// The whole message that the backend should get: Host and the gateway's fields stand around the client's.
std::string whole(const Step& step, const std::string& target) {
  const std::string& f = step.forwarded;
  const size_t line = f.find("\r\n") + 2;
  size_t end = f.find("\r\n\r\n");
  const std::string content = end == std::string::npos ? "" : f.substr(end + 4);
  std::string fields = f.substr(line, end == std::string::npos ? std::string::npos : end + 2 - line);
  size_t framing = std::min(fields.find("Content-Length: "), fields.find("Transfer-Encoding: "));
  framing = std::min(framing, fields.size());
  return f.substr(0, line) + "Host: " + target + "\r\n" + fields.substr(0, framing) +
         "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: " + step.authority +
         "\r\nX-Request-Id: ID\r\ntraceparent: ID\r\n" + fields.substr(framing) + "\r\n" + content;
}

// The same with what differs from request to request named.
std::string masked(const OriginRequest& r) {
  static const std::regex ids("(X-Request-Id|traceparent): [0-9a-f-]+\r\n");
  return std::regex_replace(r.head, ids, "$1: ID\r\n") + r.coded_body;
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

}  // namespace

TEST_CASE("requests: forwarded in one form, or refused") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + R"("] }
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web } }
)");
  const std::string target = origin.target().substr(7);
  const std::vector<Case> cases = read_cases();
  MESSAGE(cases.size() << " requests");
  CHECK(cases.size() >= 300);
  for (const Case& c : cases) {
    const std::string request = shown(c.request);
    CAPTURE(c.name);
    CAPTURE(request);
    const size_t before = origin.requests().size();
    auto client = gateway.connect();
    client->send(c.request);
    std::vector<std::string> expected;
    for (const Step& step : c.steps) {
      const Response r = client->read();
      CHECK(r.status == step.status);
      if (step.status >= 400) {
        CHECK(r.header("content-type") == "application/problem+json");
        CHECK(client->at_end());
      }
      if (!step.forwarded.empty()) expected.push_back(whole(step, target));
    }
    std::vector<std::string> got;
    const std::vector<OriginRequest> seen = origin.requests();
    for (size_t i = before; i < seen.size(); ++i) {
      if (seen[i].body != Origin::broken_off) got.push_back(masked(seen[i]));
    }
    CHECK(got.size() == expected.size());
    for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
      CHECK(shown(got[i]) == shown(expected[i]));
  }
}
