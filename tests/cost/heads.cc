// Heads of requests: lines, targets, lists.
#include "tests/cost/gate.h"
#include "tests/cost/input.h"

namespace sallyport::cost {
namespace {

void add_targets(Inputs& inputs, const std::shared_ptr<Gate>& open) {
  const auto target = [&](const char* name, size_t size, int as_meant, const std::string& piece) {
    inputs.push_back(
        asked(name, size, open, as_meant, [piece](size_t n) { return get("/x" + times(n, piece)); }));
  };
  target("target: percent escapes", 1300, 204, "%2c");
  target("target: escapes that become plain", 1300, 204, "%61");
  target("target: characters to be encoded", 4000, 204, "\"");
  target("target: segments", 2000, 204, "/a");
  target("target: segments that begin as dots do", 1300, 204, "/.a");
  target("target: empty segments", 4000, 204, "/");
  target("target: parameters", 1300, 204, "/;a");
  target("target: parameters behind much else", 2000, 204, "a;");
  inputs.push_back(asked("target: a dot segment at the end", 3900, open, 400,
                         [](size_t n) { return get("/" + times(n / 2, "a/") + ".."); }));
  inputs.push_back(
      asked("query: escapes", 1300, open, 204, [](size_t n) { return get("/x?" + times(n, "%2c")); }));
}

void add_fields(Inputs& inputs, const std::shared_ptr<Gate>& open) {
  const auto fields = [&](const char* name, size_t size, int as_meant, const std::string& piece,
                          const std::string& before = "", const std::string& behind = "") {
    inputs.push_back(asked(name, size, open, as_meant,
                           [=](size_t n) { return get("/x", before + numbered(n, piece) + behind); }));
  };
  fields("head: many fields", 45, 204, "X-#: value\r\n");
  fields("head: many fields of one name", 45, 204, "Cookie: a=b; c=d\r\n");
  fields("head: more fields than there may be", 1000, 431, "A: b\r\n");
  fields("head: one long value", 15'000, 204, "v", "A: ", "\r\n");
  fields("head: one long name", 15'000, 204, "n", "", ": b\r\n");
  fields("head: blanks around a value", 7'000, 204, " \t", "A:", "\r\n");
  fields("head: bare line ends", 15'000, 400, "\r", "A: b", "\r\n");
  fields("cookies: many pairs", 3'000, 204, "a=b; ", "Cookie: ", "\r\n");
  fields("Connection: options", 15, 204, "te, ", "Connection: ", "\r\n" + numbered(80, "X-#: value\r\n"));
  fields("Connection: more options than there may be", 7'000, 400, "a,",
         "Connection: ", "\r\n" + numbered(80, "X-#: value\r\n"));
  fields("Connection: many fields", 45, 400, "Connection: a\r\n");
  fields("TE: a list", 7'000, 204, "a,", "TE: ", "\r\n");
  fields("Transfer-Encoding: a list", 1'500, 400, "chunked,", "Transfer-Encoding: ", "\r\n");
  fields("Content-Length: a list", 7'000, 400, "1,", "Content-Length: ", "\r\n");
  fields("Content-Length: many fields", 45, 400, "Content-Length: 1\r\n");
  fields("Expect: many fields", 45, 417, "Expect: 100-continue\r\n");
  fields("Host: many fields", 45, 400, "Host: api.test\r\n");
  fields("traceparent: a long one", 14'000, 204, "0", "traceparent: ", "\r\n");
}

}  // namespace

void add_heads(Inputs& inputs) {
  const auto open = std::make_shared<Gate>(Gate::one_route("    authenticate: public\n"));
  add_targets(inputs, open);
  add_fields(inputs, open);
  inputs.push_back(asked(
      "head: a target that comes byte by byte", 3'500, open, 204,
      [](size_t n) { return get("/" + std::string(n, 'a')); }, 1));
  inputs.push_back(asked(
      "head: fields that come byte by byte", 45, open, 204,
      [](size_t n) { return get("/x", numbered(n, "X-#: value\r\n")); }, 1));
  inputs.push_back(
      asked("head: pipelined requests", 100, open, 204, [](size_t n) { return times(n, get("/x")); }));
  const auto balanced = std::make_shared<Gate>("http: { trusted_proxies: [127.0.0.0/8, 10.0.0.0/8] }\n" +
                                               Gate::one_route("    authenticate: public\n"));
  inputs.push_back(asked("X-Forwarded-For: a list", 1'500, balanced, 204, [](size_t n) {
    return get("/x", "X-Forwarded-For: " + times(n, "10.1.1.1,") + "10.2.2.2\r\n");
  }));
  inputs.push_back(asked("X-Forwarded-For: many fields", 45, balanced, 204, [](size_t n) {
    return get("/x", times(n, "X-Forwarded-For: 10.1.1.1, 10.1.1.2\r\n"));
  }));
}

}  // namespace sallyport::cost
