// Any bytes as a token: never a crash, and never accepted: no input has a good signature for these keys.
#include <chrono>
#include <cstdlib>
#include <string>

#include "plugins/authenticate/api_key.h"
#include "plugins/authenticate/jwt.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string keys = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"a",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
  static auto live = [] {
    auto l = std::make_shared<Live<KeySet>>();
    l->publish(KeySet::parse(keys).value());
    return l;
  }();
  static TokenVerifier verifier({"https://issuer",
                                 {"api"},
                                 {crypto::Algorithm::es256, crypto::Algorithm::eddsa},
                                 "roles",
                                 "sub",
                                 seconds(30)},
                                live, 64);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (verifier.verify(text, Wall(seconds(1'800'000'000))).good) std::abort();
  (void)KeySet::parse(text);
  (void)ApiKeyText::parse(text);
  return 0;
}
