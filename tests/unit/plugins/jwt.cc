#include "plugins/authenticate/jwt.h"

#include <doctest/doctest.h>

#include <atomic>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/issuer.h"

using namespace sallyport;
using test::Issuer;

namespace {

using Keys = std::shared_ptr<Live<KeySet>>;

Keys live(const std::string& jwks) {
  auto keys = std::make_shared<Live<KeySet>>();
  keys->publish(KeySet::parse(jwks).value());
  return keys;
}

TokenRules rules() {
  TokenRules r;
  r.issuer = "https://idp";
  r.audiences = {"api"};
  r.algorithms = {crypto::Algorithm::es256, crypto::Algorithm::rs256};
  return r;
}

Wall now() { return Wall(seconds(std::time(nullptr))); }

// "good", or why not.
std::string verdict(TokenVerifier& verifier, const std::string& token, Wall at = now()) {
  const auto who = verifier.verify(token, at);
  return who ? "good" : std::string(who.error().reason);
}
std::string with(const std::string& jwks, const std::string& token) {
  TokenVerifier verifier(rules(), live(jwks), 16);
  return verdict(verifier, token);
}

// One set with the keys of all.
std::string together(const std::vector<std::string>& sets) {
  std::string all;
  for (const std::string& set : sets) {
    const size_t from = set.find('[') + 1;
    all += (all.empty() ? "" : ",") + set.substr(from, set.rfind(']') - from);
  }
  return R"({"keys":[)" + all + "]}";
}
// The set of one key with these members instead of its kid.
std::string jwks_of(const Issuer& issuer, const std::string& members) {
  std::string set = issuer.jwks();
  const size_t from = set.find("\"kid\""), to = set.find(',', from);
  return set.replace(from, to - from + (members.empty() ? 1 : 0), members);
}
std::string token_of(const Issuer& issuer, const std::string& header) {
  return issuer.token(R"({"iss":"https://idp","aud":"api","sub":"ann","exp":99999999999})", header);
}

const std::string with_kid = R"({"alg":"ES256","kid":"k1"})", without_kid = R"({"alg":"ES256"})";

}  // namespace

TEST_CASE("which key a token is verified with: by its kid, else by trying the few that it may be") {
  const Issuer one, two, three("ES256", "k3");
  const std::string unnamed = jwks_of(one, ""), other = jwks_of(two, "");
  CHECK(with(unnamed, token_of(one, with_kid)) == "good");
  CHECK(with(unnamed, token_of(one, without_kid)) == "good");
  CHECK(with(together({other, unnamed}), token_of(one, without_kid)) == "good");
  CHECK(with(together({other, unnamed}), token_of(one, with_kid)) == "good");
  CHECK(with(together({one.jwks(), one.jwks()}), token_of(one, with_kid)) == "good");
  CHECK(with(together({one.jwks(), one.jwks()}), token_of(one, without_kid)) == "good");
  CHECK(with(together({three.jwks(), one.jwks()}), token_of(one, without_kid)) == "good");
  CHECK(with(together({two.jwks(), one.jwks()}), token_of(one, with_kid)) == "good");  // one kid, two keys
  // A key that is named must have signed; one that was guessed need not: there may be a newer set.
  CHECK(with(one.jwks(), token_of(two, with_kid)) == "bad_signature");
  CHECK(with(unnamed, token_of(two, with_kid)) == "unknown_key");
  CHECK(with(together({three.jwks(), unnamed}), token_of(three, with_kid)) == "unknown_key");
  CHECK(with(three.jwks(), token_of(three, with_kid)) == "unknown_key");
}

TEST_CASE("a key that is listed twice is one; of those that a token may mean, four are tried") {
  const Issuer one, two, three, four, five;
  const std::string twice =
      together({jwks_of(two, ""), jwks_of(two, ""), jwks_of(two, ""), jwks_of(two, "")});
  CHECK(with(together({twice, jwks_of(one, "")}), token_of(one, without_kid)) == "good");
  const std::string many = together(
      {jwks_of(two, ""), jwks_of(three, ""), jwks_of(four, ""), jwks_of(five, ""), jwks_of(one, "")});
  TokenVerifier verifier(rules(), live(many), 16);
  CHECK(verdict(verifier, token_of(five, without_kid)) == "good");
  const uint64_t before = verifier.signature_checks();
  CHECK(verdict(verifier, token_of(one, without_kid)) == "unknown_key");
  CHECK(verifier.signature_checks() == before + 4);
}

TEST_CASE("what a key is for is obeyed, and a member of the wrong type is no key") {
  const Issuer issuer;
  const auto of = [&](const std::string& members) {
    return with(jwks_of(issuer, members), token_of(issuer, with_kid));
  };
  for (const char* good : {R"("kid":"k1","use":"sig")", R"("key_ops":["sign","verify"])",
                           R"("use":"sig","key_ops":["verify"])", R"("alg":"ES256")"}) {
    CAPTURE(good);
    CHECK(of(good) == "good");
  }
  for (const char* bad :
       {R"("kid":"k1","use":"enc")", R"("kid":"k1","use":"")", R"("kid":"k1","use":1)",
        R"("kid":"k1","use":null)", R"("kid":"k1","key_ops":["encrypt"])", R"("kid":"k1","key_ops":[])",
        R"("kid":"k1","key_ops":"verify")", R"("kid":"k1","key_ops":[["verify"]])",
        R"("kid":"k1","use":"sig","key_ops":["sign"])", R"("kid":"k1","alg":"RS256")",
        R"("kid":"k1","alg":"ES384")", R"("kid":"k1","alg":1)", R"("kid":1)", R"("kid":null)",
        R"("kid":["k1"])"}) {
    CAPTURE(bad);
    CHECK(of(bad) == "unknown_key");
  }
}

TEST_CASE("a kid that is no text makes a token malformed") {
  const Issuer issuer;
  for (const char* kid : {"1", "null", "true", "[\"k1\"]", "{}"}) {
    CAPTURE(kid);
    CHECK(with(issuer.jwks(), token_of(issuer, R"({"alg":"ES256","kid":)" + std::string(kid) + "}")) ==
          "malformed_token");
  }
}

TEST_CASE("a token that was verified with a key which is taken away meanwhile is not remembered as good") {
  const Issuer issuer;
  const auto set = KeySet::parse(issuer.jwks()).value(), none = KeySet::parse(R"({"keys":[]})").value();
  const Keys keys = live(issuer.jwks());
  TokenVerifier verifier(rules(), keys, 16);
  const std::string token = token_of(issuer, with_kid);
  for (int i = 0; i < 500; ++i) {
    keys->publish(set);
    std::atomic<bool> begun{false};
    std::thread issuer_thread([&] {
      while (!begun) {
      }
      for (int spin = 0; spin < i; ++spin) keys->version();  // another moment each time
      keys->publish(none);
    });
    begun = true;
    verdict(verifier, token);
    issuer_thread.join();
    REQUIRE(verdict(verifier, token) == "unknown_key");
  }
}
