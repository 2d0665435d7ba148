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
  const Verdict v = verifier.verify(token, at);
  return v.good ? "good" : std::string(v.good.error().reason);
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

namespace {

const Issuer& idp() {
  static const Issuer issuer;
  return issuer;
}
// Of a token with these claims beside iss, aud and exp.
Verdict told(const std::string& claims, const std::string& client_claim = "sub") {
  TokenRules r = rules();
  r.client_claim = client_claim;
  TokenVerifier verifier(r, live(idp().jwks()), 16);
  return verifier.verify(idp().token(R"({"iss":"https://idp","aud":"api","exp":99999999999,)" + claims + "}"),
                         now());
}
std::string reason(const Verdict& v) { return v.good ? "good" : std::string(v.good.error().reason); }

}  // namespace

TEST_CASE("a token says for whom it is, in a name that a header can carry") {
  for (const char* claims : {R"("x":1)", R"("sub":"")", R"("sub":{})", R"("sub":7)", R"("sub":true)",
                             R"("sub":null)", R"("sub":["ann"])"}) {
    CAPTURE(claims);
    CHECK(reason(told(claims)) == "no_subject");
  }
  for (const char* claims :
       {R"("sub":" ann")", R"("sub":"ann ")", R"("sub":" ")", R"("sub":"a\r\nX-Client-Roles: admin")",
        R"("sub":"a\tb")", R"("sub":"a\u007f")", R"("sub":"a\u0085")"}) {
    CAPTURE(claims);
    CHECK(reason(told(claims)) == "bad_subject");
  }
  CHECK(told(R"("sub":"Ann M\u00fcller")").who->client == "Ann M\u00fcller");
  CHECK(told(R"("sub":"ann")").who->issuer == "https://idp");
  // Another claim, if the config says so.
  CHECK(told(R"("user":{"id":"ann"})", "user.id").who->client == "ann");
  CHECK(told(R"("uid":1234)", "uid").who->client == "1234");
  CHECK(reason(told(R"("sub":"ann","uid":true)", "uid")) == "no_subject");
  CHECK(reason(told(R"("sub":"ann")", "uid")) == "no_subject");
}

TEST_CASE("roles and scopes stay as many as they are, and may be long") {
  const auto who =
      told(
          R"("sub":"ann","roles":["user,admin","Domain Admins","100%","a\r\nb","M\u00fcller"],"scp":["a b","c,d"])")
          .who;
  REQUIRE(who);
  CHECK(who->roles_text == "user%2Cadmin,Domain%20Admins,100%25,a%0D%0Ab,M\u00fcller");
  CHECK(who->scopes_text == "a%20b c,d");
  CHECK(who->has_role("Domain Admins"));
  CHECK(who->has_role("user,admin"));
  CHECK_FALSE(who->has_role("admin"));
  std::string groups;
  for (int i = 0; i < 400; ++i)
    groups += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "f1f3b6a-7e0c-4c5b-9a7e-000000000000\"";
  const Verdict many = told(R"("sub":"ann","roles":[)" + groups + "]");
  CHECK(reason(many) == "good");
  CHECK(many.who->roles.size() == 400);
}

TEST_CASE("a text is words only in a claim whose form that is; elsewhere it is one role") {
  const auto roles = [](const std::string& claims, const std::string& roles_claim) {
    TokenRules r = rules();
    r.roles_claim = roles_claim;
    TokenVerifier verifier(r, live(idp().jwks()), 16);
    const std::string all = R"({"iss":"https://idp","aud":"api","exp":99999999999,"sub":"ann",)" + claims;
    return verifier.verify(idp().token(all + "}"), now()).who->roles;
  };
  using Words = std::vector<std::string>;
  CHECK(roles(R"("realm":{"role":"Not Admin"})", "realm.role") == Words{"Not Admin"});
  CHECK(roles(R"("role":" Not  Admin ")", "role") == Words{" Not  Admin "});
  CHECK(roles(R"("role":"")", "role").empty());
  CHECK(roles(R"("my.scopes":"a b")", "my.scopes") == Words{"a b"});
  CHECK(roles(R"("roles":["Billing Admin","b"])", "roles") == Words{"Billing Admin", "b"});
  CHECK(roles(R"("scope":" a  b")", "scope") == Words{"a", "b"});
  CHECK(roles(R"("scp":"a b")", "scp") == Words{"a", "b"});
  CHECK(roles(R"("realm":{"scope":"a b"})", "realm.scope") == Words{"a", "b"});
  CHECK(told(R"("sub":"ann","scope":"a b")").who->scopes == Words{"a", "b"});
  CHECK(told(R"("sub":"ann","scp":"a b")").who->scopes == Words{"a", "b"});
}

TEST_CASE("what lasts is held to the leeway, as requests are") {
  TokenVerifier verifier(rules(), live(idp().jwks()), 16);
  const std::string token = idp().token(R"({"iss":"https://idp","aud":"api","sub":"ann","exp":2000000000})");
  const Wall within(seconds(2000000010));
  const Verdict v = verifier.verify(token, within);
  CHECK(reason(v) == "good");
  CHECK(v.who->not_after_s == 2000000030);
  CHECK(verdict(verifier, token, Wall(seconds(2000000030))) == "expired");
}

TEST_CASE("whose a refused token was is known only if the issuer has signed it") {
  const auto claims = [](const std::string& aud, const std::string& iss, int64_t exp) {
    return R"({"iss":")" + iss + R"(","aud":")" + aud + R"(","sub":"ann","jti":"t1","exp":)" +
           std::to_string(exp) + "}";
  };
  TokenVerifier verifier(rules(), live(idp().jwks()), 16);
  for (const auto& [text, why] : {std::pair(claims("api", "https://idp", 1000), "expired"),
                                  {claims("other", "https://idp", 99999999999), "wrong_audience"}}) {
    const Verdict v = verifier.verify(idp().token(text), now());
    CHECK(reason(v) == why);
    REQUIRE(v.who);
    CHECK(v.who->client == "ann");
    CHECK(v.who->credential == "t1");
  }
  CHECK(verifier.verify(idp().token(claims("api", "https://other", 99999999999)), now()).who == nullptr);
  const Verdict forged = verifier.verify(Issuer().token(claims("api", "https://idp", 1000)), now());
  CHECK(reason(forged) == "bad_signature");
  CHECK(forged.who == nullptr);
}

TEST_CASE("of a token's claims those are kept that the config decides by, wherever they stand") {
  auto names = std::make_shared<ClaimNames>();
  names->add("tenant");
  TokenRules r = rules();
  r.claims = names;
  TokenVerifier verifier(r, live(idp().jwks()), 16);
  std::string claims = R"({"iss":"https://idp","aud":"api","sub":"ann","exp":99999999999)";
  for (int i = 0; i < 100; ++i) claims += ",\"c" + std::to_string(i) + "\":1";
  const Verdict v = verifier.verify(idp().token(claims + R"(,"tenant":"a"})"), now());
  REQUIRE(v.who);
  REQUIRE(v.who->claim("tenant") != nullptr);
  CHECK(*v.who->claim("tenant") == "a");
  CHECK(v.who->claims.size() == 1);
  const Verdict longer =
      verifier.verify(idp().token(claims + R"(,"tenant":")" + std::string(1025, 'a') + "\"}"), now());
  CHECK(reason(longer) == "claim_too_long");
}

namespace {

// The claim of a token with these, as the config decides by it; "none" if it has none.
std::string kept(const std::string& name, const std::string& claims) {
  auto names = std::make_shared<ClaimNames>();
  names->add(name);
  TokenRules r = rules();
  r.claims = names;
  TokenVerifier verifier(r, live(idp().jwks()), 16);
  const std::string all = R"({"iss":"https://idp","aud":"api","exp":99999999999,"sub":"ann",)" + claims;
  const Verdict v = verifier.verify(idp().token(all + "}"), now());
  const std::string* claim = v.who->claim(name);
  return claim == nullptr ? "none" : *claim;
}

}  // namespace

TEST_CASE("a claim by which the config decides is looked up in objects as well") {
  CHECK(kept("realm.tenant", R"("realm":{"tenant":"a"})") == "a");
  CHECK(kept("realm.tenant", R"("realm.tenant":"a","realm":{"tenant":"b"})") == "a");
  CHECK(kept("realm.tenant", R"("realm":{"tenant":["a"]})") == "none");
  CHECK(kept("realm", R"("realm":{"tenant":"a"})") == "none");
}

TEST_CASE("acr is text and auth_time a number: of another type they are none") {
  CHECK(kept("acr", R"("acr":"2")") == "2");
  for (const char* acr : {"2", "2.0", "true", "null", R"(["2"])"}) {
    CAPTURE(acr);
    CHECK(kept("acr", R"("acr":)" + std::string(acr)) == "none");
  }
  CHECK(kept("auth_time", R"("auth_time":1795866000)") == "1795866000");
  CHECK(kept("auth_time", R"("auth_time":1795866000.5)") == "1795866000.5");
  for (const char* time : {R"("1.795866000e+09")", R"("1795866000")", "true", "null"}) {
    CAPTURE(time);
    CHECK(kept("auth_time", R"("auth_time":)" + std::string(time)) == "none");
  }
  CHECK(kept("level", R"("level":2)") == "2");
}

TEST_CASE("what is remembered of tokens is bounded in memory, and what is too large is not remembered") {
  TokenCache cache(TokenCache::ways);  // one row
  const auto put = [&](const std::string& token, size_t bytes) {
    TokenCache::Entry entry;
    auto who = std::make_shared<Principal>();
    who->roles_text.assign(bytes, 'x');
    entry.key = cache.key_of(token);
    entry.principal = std::move(who);
    cache.put(std::move(entry));
  };
  const auto knows = [&](const std::string& token) { return cache.find(cache.key_of(token)) != nullptr; };
  put("a", 100);
  put("b", 100);
  put("huge", TokenCache::row_bytes_max);
  CHECK_FALSE(knows("huge"));
  CHECK(knows("a"));
  put("large", TokenCache::row_bytes_max / 2);
  put("large too", TokenCache::row_bytes_max / 2);
  CHECK(knows("large too"));
  CHECK_FALSE(knows("large"));
}
