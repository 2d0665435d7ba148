// Raw responses of a backend, odd and hostile ones, through the real binary to a client over TLS: what the
// client gets of each, byte for byte, and that the next request of that connection gets its own answer. The
// cases are in responses.txt.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/conformance/http1/cases.h"
#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

struct Step {
  int status = 0;
  std::string reason;    // of a refusal, in the error log
  std::string expected;  // what the client gets
};

struct Exchange {
  std::string method = "GET", version = "HTTP/1.1", fields, content;
  std::string answer, unasked;  // the backend's, and what it sends when that has been read
  std::vector<Step> steps;
  bool fresh = false;  // the backend's connection is not used again
  bool ends = false;   // nor the client's, which is closed in order
  bool cut = false;    // the same, but it is not closed in order: what came is not all

  std::string request(const std::string& path) const {
    return method + " " + path + " " + version + "\r\nHost: api.test\r\n" + fields + "\r\n" + content;
  }
};

void read_who_asks(const std::string& words, Exchange& out) {
  std::istringstream in(words);
  for (std::string word; in >> word;) {
    if (word.starts_with("HTTP/")) {
      out.version = word;
    } else if (word == "keep-alive" || word == "close") {
      out.fields += "Connection: " + word + "\r\n";
    } else if (word == "trailers") {
      out.fields += "TE: trailers\r\n";
    } else if (word == "websocket") {
      out.fields += "Connection: upgrade\r\nUpgrade: websocket\r\n";
    } else {
      out.method = word;
    }
  }
  if (out.method != "POST") return;
  out.fields += "Content-Length: 3\r\n";
  out.content = "abc";
}

void read_verdict(const std::string& words, Exchange& out) {
  std::istringstream in(words);
  Step step;
  in >> step.status;
  for (std::string word; in >> word;) {
    if (word == "fresh") {
      out.fresh = true;
    } else if (word == "end") {
      out.ends = true;
    } else if (word == "cut") {
      out.fresh = out.ends = out.cut = true;
    } else {
      step.reason = word;
      out.fresh = true;
    }
  }
  out.steps.push_back(std::move(step));
}

Exchange read_exchange(const Case& from) {
  Exchange out;
  for (const std::string& line : from.lines) {
    if (line.starts_with("-> ")) {
      read_verdict(line.substr(3), out);
    } else if (!out.steps.empty() && line.starts_with("|")) {
      out.steps.back().expected += bytes_of(line.size() > 2 ? line.substr(2) : "");
    } else if (out.steps.empty() && out.answer.empty() && line.starts_with("to ")) {
      read_who_asks(line.substr(3), out);
    } else if (out.steps.empty()) {
      out.answer += bytes_of(line);
    }
  }
  REQUIRE_FALSE(out.steps.empty());
  const size_t idle = out.answer.find(idle_mark);
  if (idle != std::string::npos) {
    out.unasked = out.answer.substr(idle + std::string(idle_mark).size());
    out.answer.resize(idle);
  }
  return out;
}

// The whole message that the client should get: the request's id stands in front of the framing.
std::string whole(const Step& step) {
  const std::string& e = step.expected;
  const size_t end = e.find("\r\n\r\n") + 2;
  if (step.status < 200) return e;
  size_t at = end;
  for (const char* name : {"\r\nContent-Length: ", "\r\nTransfer-Encoding: ", "\r\nConnection: "}) {
    const size_t found = e.find(name);
    if (found != std::string::npos) at = std::min(at, found + 2);
  }
  return e.substr(0, at) + "X-Request-Id: ID\r\n" + e.substr(at);
}

std::string masked(const std::string& message) {
  static const std::regex id("X-Request-Id: [0-9a-f]{32}\r\n");
  return std::regex_replace(message, id, "X-Request-Id: ID\r\n");
}

// Answers /case/N as that case has it, and anything else with "next".
class Backend {
 public:
  explicit Backend(const std::vector<Exchange>& exchanges)
      : exchanges_(exchanges), origin_([this](const OriginRequest& r) { return answer(r); }) {}
  std::string target() const { return origin_.target(); }
  // The connection that the last request with that path came over; 0: none did.
  int connection_of(const std::string& path) {
    std::lock_guard lock(mutex_);
    return connections_[path];
  }
  void send_unasked(int connection, const std::string& bytes) { origin_.send_unasked(connection, bytes); }

 private:
  std::string answer(const OriginRequest& r) {
    const size_t begin = r.head.find(' ') + 1;
    const std::string path = r.head.substr(begin, r.head.find(' ', begin) - begin);
    std::lock_guard lock(mutex_);
    connections_[path] = r.connection;
    if (!path.starts_with("/case/")) return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";
    return exchanges_[std::stoul(path.substr(6))].answer;
  }

  const std::vector<Exchange>& exchanges_;
  std::mutex mutex_;
  std::map<std::string, int> connections_;
  Origin origin_;  // last: its threads use the rest
};

// A problem document for the client; the reason is for the operator.
struct Refused {
  std::string id, reason;
};
Refused check_refused(const Response& r, const Step& step, bool head) {
  CHECK(r.header("content-type") == "application/problem+json");
  if (!head) CHECK(r.body.find("urn:sallyport:problem:upstream_bad_answer") != std::string::npos);
  return {r.header("x-request-id"), step.reason};
}

// The reasons stand in the access log.
void check_reasons(const Gateway& gateway, const std::vector<Case>& cases, const std::vector<Refused>& all) {
  REQUIRE_FALSE(gateway.log_line("/next/last").empty());
  std::map<std::string, std::string> lines;
  std::istringstream log(gateway.dir().read("access.log"));
  for (std::string line; std::getline(log, line);) {
    const std::string mark = "\"request_id\":\"";
    const size_t at = line.find(mark);
    if (at != std::string::npos) lines[line.substr(at + mark.size(), 32)] = line;
  }
  for (const Refused& r : all) {
    const std::string line = lines[r.id];
    const size_t path = line.find("/case/");
    REQUIRE(path != std::string::npos);
    CAPTURE(cases[std::stoul(line.substr(path + 6))].name);
    CAPTURE(line);
    CHECK(line.find("\"reason\":\"" + r.reason + '"') != std::string::npos);
  }
}

// The client's side of a case. pipelined: the next request is there before the first is answered.
void check_answer(const Gateway& gateway, Backend& backend, const Exchange& e, size_t number, bool pipelined,
                  std::vector<Refused>& refused) {
  const std::string path = "/case/" + std::to_string(number), next = "/next/" + std::to_string(number);
  const bool head = e.method == "HEAD";
  auto client = gateway.connect();
  client->send(e.request(path) + (pipelined ? get(next) : ""));
  for (const Step& step : e.steps) {
    const Response r = client->read(head);
    CHECK(r.status == step.status);
    if (step.reason.empty()) {
      CHECK(shown(masked(r.raw)) == shown(whole(step)));
      CHECK((masked(r.raw) == whole(step)));  // what is shown is not all
    } else {
      refused.push_back(check_refused(r, step, head));
    }
  }
  const int before = backend.connection_of(path);
  if (!e.unasked.empty()) backend.send_unasked(before, e.unasked);
  if (e.ends) {
    CHECK(client->at_end());
    CHECK(client->ended_in_order() != e.cut);
    client = gateway.connect();
  }
  if (e.ends || !pipelined) client->send(get(next));
  CHECK(shown(masked(client->read().raw)) ==
        shown("HTTP/1.1 200 OK\r\nX-Request-Id: ID\r\nContent-Length: 4\r\n\r\nnext"));
  CHECK((backend.connection_of(next) != before) == e.fresh);
}

}  // namespace

TEST_CASE("responses: forwarded in one form, refused, or cut off") {
  const std::vector<Case> cases = read_cases("responses.txt");
  std::vector<Exchange> exchanges;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    exchanges.push_back(read_exchange(c));
  }
  Backend backend(exchanges);
  Gateway gateway("upstreams:\n  web: { targets: [\"" + backend.target() + R"("] }
routes:
  - { name: all, match: { path: "/{rest...}" }, authenticate: public, forward: { to: web, upgrade: [websocket] } }
)");
  MESSAGE(cases.size() << " responses");
  CHECK(cases.size() >= 500);
  std::vector<Refused> refused;
  for (const bool pipelined : {false, true}) {
    for (size_t i = 0; i < exchanges.size(); ++i) {
      if (pipelined && !exchanges[i].unasked.empty()) continue;
      const std::string answer = shown(exchanges[i].answer);
      CAPTURE(cases[i].name);
      CAPTURE(pipelined);
      CAPTURE(exchanges[i].method);
      CAPTURE(answer);
      check_answer(gateway, backend, exchanges[i], i, pipelined, refused);
    }
  }
  gateway.ask(get("/next/last"));
  check_reasons(gateway, cases, refused);
}
