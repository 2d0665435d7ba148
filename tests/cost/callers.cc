// Who calls: keys and tokens, good ones and others; and limits by what callers say.
#include "tests/cost/gate.h"
#include "tests/cost/input.h"
#include "tests/support/issuer.h"

namespace sallyport::cost {
namespace {

using test::base64url;

std::string bearer(const std::string& token) { return get("/x", "Authorization: Bearer " + token + "\r\n"); }

void add_tokens(Inputs& inputs) {
  const auto issuer = std::make_shared<test::Issuer>();
  const auto gate = std::make_shared<Gate>(
      "authenticators:\n  idp: { type: jwt, issuer: \"https://idp\", audiences: [api], algorithms: [ES256], "
      "jwks: { "
      "file: jwks.json } }\n" +
          Gate::one_route("    authenticate: { any_of: [idp] }\n"),
      std::map<std::string, std::string>{{"jwks.json", issuer->jwks()}});
  inputs.push_back(asked("token: a long header", 5'000, gate, 401, [](size_t n) {
    return bearer(base64url("{\"alg\":\"ES256\",\"kid\":\"" + std::string(n, 'a') + "\"}") + ".e30.AAAA");
  }));
  inputs.push_back(asked("token: a header of many members", 500, gate, 401, [](size_t n) {
    return bearer(base64url("{\"alg\":\"ES256\"," + numbered(n, "\"#\":1,") + "\"kid\":\"k2\"}") +
                  ".e30.AAAA");
  }));
  inputs.push_back(
      asked("token: many dots", 7'000, gate, 401, [](size_t n) { return bearer(std::string(n, '.')); }));
  inputs.push_back(asked("token: no such letters", 7'000, gate, 401,
                         [](size_t n) { return bearer(std::string(n, '~')); }));
  const auto claims = [&](const char* name, size_t size, const std::string& begin, const std::string& piece,
                          const std::string& end) {
    inputs.push_back(asked(name, size, gate, 204, [=](size_t n) {
      std::string all;
      for (size_t i = 0; i < 20; ++i)  // of which none is known from before
        all += bearer(issuer->good(begin + numbered(n, piece) + end + ",\"n\":" + std::to_string(i)));
      return all;
    }));
  };
  claims("token: many claims", 200, ",\"c\":1", ",\"#\":1", "");
  claims("token: a long claim", 2'000, ",\"c\":\"", "a", "\"");
}

void add_keys(Inputs& inputs) {
  const std::string hash = "sha256:" + std::string(64, '0');
  const auto gate = std::make_shared<Gate>(
      "authenticators:\n  keys: { type: api_key, file: keys.yaml }\n" +
          Gate::one_route("    authenticate: { any_of: [keys] }\n"),
      std::map<std::string, std::string>{
          {"keys.yaml",
           "version: 1\nkeys:\n  - { id: \"000000000000\", client: acme, hash: \"" + hash + "\" }\n"}});
  const auto key = [&](const char* name, const std::string& piece) {
    inputs.push_back(asked(name, 7'000, gate, 401, [piece](size_t n) {
      return get("/x", "X-API-Key: " + times(n, piece) + "\r\n");
    }));
  };
  key("key: a long one", "a");
  key("key: underscores", "_");
  inputs.push_back(asked("key: many fields", 45, gate, 401,
                         [](size_t n) { return get("/x", times(n, "X-API-Key: sp_0_0_0\r\n")); }));
  const auto limited =
      std::make_shared<Gate>("limits: { l: { rate: 1000000/1s, by: \"header:X-Device\" } }\n" +
                             Gate::one_route("    authenticate: public\n    limit: [l]\n"));
  inputs.push_back(asked("limit: by a long header", 14'000, limited, 204,
                         [](size_t n) { return get("/x", "X-Device: " + std::string(n, 'a') + "\r\n"); }));
}

}  // namespace

void add_callers(Inputs& inputs) {
  add_tokens(inputs);
  add_keys(inputs);
}

}  // namespace sallyport::cost
