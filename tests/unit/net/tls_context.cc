// Contexts of TLS: what tells one from another.
#include "gateway/net/tls_context.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/process.h"

using namespace sallyport;

namespace {

std::string authority(const test::TempDir& dir, const std::string& name) {
  REQUIRE(
      test::run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "30", "-subj", "/CN=" + name, "-keyout", dir.path("key"), "-out", dir.path("crt")})
          .status == 0);
  return dir.read("crt");
}

}  // namespace

TEST_CASE("the same authorities in another order are the same to servers and clients, others are not") {
  const test::TempDir dir;
  const std::string a = authority(dir, "a"), b = authority(dir, "b"), c = authority(dir, "c");
  const auto identity = [&](const std::string& pem) {
    const auto made = net::TlsClientContext::make({true, dir.write("ca.pem", pem)});
    REQUIRE(made);
    return (*made)->identity();
  };
  const std::string both = identity(a + b);
  for (const std::string& same : {b + a, "# of today\n" + a + b + a}) CHECK(identity(same) == both);
  for (const std::string& other : {a, b, a + c, a + b + c}) CHECK(identity(other) != both);
}
