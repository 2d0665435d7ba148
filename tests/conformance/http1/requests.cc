// Raw requests to the real binary, over TLS, with a recording backend behind it: what each is answered, and
// what of it the backend gets, byte for byte. The cases are in requests.txt.
#include <doctest/doctest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/conformance/http1/cases.h"
#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

struct Step {
  int status = 0;
  std::string authority = "api.test";
  std::string forwarded;  // empty: nothing reaches the backend
};

struct Exchange {
  std::string request;
  std::vector<Step> steps;
};

Exchange read_exchange(const Case& from) {
  Exchange out;
  for (const std::string& line : from.lines) {
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

}  // namespace

TEST_CASE("requests: forwarded in one form, or refused") {
  Origin origin;
  Gateway gateway("upstreams:\n  web: { targets: [\"" + origin.target() + R"("] }
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web } }
)");
  const std::string target = origin.target().substr(7);
  const std::vector<Case> cases = read_cases("requests.txt");
  MESSAGE(cases.size() << " requests");
  CHECK(cases.size() >= 300);
  for (const Case& c : cases) {
    const Exchange e = read_exchange(c);
    const std::string request = shown(e.request);
    CAPTURE(c.name);
    CAPTURE(request);
    const size_t before = origin.requests().size();
    auto client = gateway.connect();
    client->send(e.request);
    std::vector<std::string> expected;
    for (const Step& step : e.steps) {
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
