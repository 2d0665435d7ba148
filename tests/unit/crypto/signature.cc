#include "gateway/crypto/signature.h"

#include <doctest/doctest.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <string>

#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"

using namespace sallyport;
using crypto::Algorithm;
using crypto::PublicKey;

namespace {

std::string raw(std::string_view text) { return text::base64url_decode(text).value(); }

std::string bytes_of(const BIGNUM* n) {
  std::string out(BN_num_bytes(n), '\0');
  BN_bn2bin(n, reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

struct RsaKey {
  RSA* rsa = RSA_new();
  EVP_PKEY* key = EVP_PKEY_new();
  explicit RsaKey(int bits) {
    BIGNUM* e = BN_new();
    BN_set_word(e, RSA_F4);
    RSA_generate_key_ex(rsa, bits, e, nullptr);
    BN_free(e);
    EVP_PKEY_set1_RSA(key, rsa);
  }
  ~RsaKey() {
    EVP_PKEY_free(key);
    RSA_free(rsa);
  }
  std::string n() const { return bytes_of(RSA_get0_n(rsa)); }
  std::string e() const { return bytes_of(RSA_get0_e(rsa)); }
  std::string sign(const std::string& data, bool pss) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* parameters = nullptr;
    EVP_DigestSignInit(context, &parameters, EVP_sha256(), nullptr, key);
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, -1);
    }
    size_t size = 1024;
    std::string out(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<uint8_t*>(out.data()), &size,
                   reinterpret_cast<const uint8_t*>(data.data()), data.size());
    EVP_MD_CTX_free(context);
    out.resize(size);
    return out;
  }
};

}  // namespace

TEST_CASE("EdDSA: the example of RFC 8037, appendix A.4") {
  const auto key = PublicKey::ed25519(raw("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
  const std::string signature =
      raw("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  const std::string data = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  CHECK(key->verify(Algorithm::eddsa, data, signature));
  CHECK_FALSE(key->verify(Algorithm::eddsa, data + "x", signature));
  CHECK_FALSE(key->verify(Algorithm::es256, data, signature));
}

TEST_CASE("ES256: the example of RFC 7515, appendix A.3") {
  const auto key = PublicKey::ec_p256(raw("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                      raw("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
  std::string signature =
      raw("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  const std::string data =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  CHECK(key->verify(Algorithm::es256, data, signature));
  CHECK_FALSE(key->verify(Algorithm::es256, data, signature.substr(1)));
  CHECK_FALSE(key->verify(Algorithm::es256, data, std::string(64, '\0')));  // r = s = 0 (CVE-2022-21449)
  signature[10] ^= 1;
  CHECK_FALSE(key->verify(Algorithm::es256, data, signature));
}

TEST_CASE("RS256 and PS256, and one is not the other") {
  const RsaKey made(2048);
  const auto key = PublicKey::rsa(made.n(), made.e());
  const std::string data = "some text", pkcs = made.sign(data, false), pss = made.sign(data, true);
  CHECK(key->verify(Algorithm::rs256, data, pkcs));
  CHECK(key->verify(Algorithm::ps256, data, pss));
  CHECK_FALSE(key->verify(Algorithm::ps256, data, pkcs));
  CHECK_FALSE(key->verify(Algorithm::rs256, data, pss));
  CHECK_FALSE(key->verify(Algorithm::rs256, "other text", pkcs));
  CHECK_FALSE(key->verify(Algorithm::rs256, data, ""));
}

TEST_CASE("keys that are too weak or malformed are refused") {
  const RsaKey weak(1024);
  CHECK_FALSE(PublicKey::rsa(weak.n(), weak.e()));
  const RsaKey good(2048);
  CHECK_FALSE(PublicKey::rsa(good.n(), std::string(1, '\x01')));
  CHECK_FALSE(PublicKey::rsa(good.n(), std::string(1, '\x02')));
  CHECK_FALSE(PublicKey::rsa("", ""));
  CHECK_FALSE(PublicKey::ec_p256(std::string(32, '\1'), std::string(32, '\1')));
  CHECK_FALSE(PublicKey::ed25519("short"));
  CHECK_FALSE(crypto::algorithm_from("none"));
  CHECK_FALSE(crypto::algorithm_from("HS256"));
}

TEST_CASE("hashes: the examples of RFC 4231 and FIPS 180") {
  const auto hex = [](const crypto::Digest& d) {
    return text::hex({reinterpret_cast<const char*>(d.data()), d.size()});
  };
  CHECK(hex(crypto::sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(crypto::hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const crypto::HmacSha256 long_key(std::string(131, '\xaa'));
  for (int i = 0; i < 2; ++i) {  // the key's state is not used up
    CHECK(hex(long_key("Test Using Larger Than Block-Size Key - Hash Key First")) ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  }
}
