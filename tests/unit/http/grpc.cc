// What a gateway knows of gRPC: what is a call, its deadline, the text of a refusal.
#include "gateway/http/grpc.h"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace sallyport::http;

TEST_CASE("a call is application/grpc over HTTP/2") {
  const auto is_call = [](Version version, Slice type) {
    Request request;
    request.version = version;
    if (!type.empty()) request.headers.add(HeaderId::content_type, type);
    return grpc::is_call(request);
  };
  for (const char* type :
       {"application/grpc", "application/grpc+proto", "Application/gRPC", "application/grpc;x=y"}) {
    CAPTURE(type);
    CHECK(is_call(Version::http2, type));
    CHECK_FALSE(is_call(Version::http11, type));
  }
  for (const char* type :
       {"", "application/grpc-web", "application/grpcx", "application/json", "text/application/grpc"}) {
    CAPTURE(type);
    CHECK_FALSE(is_call(Version::http2, type));
  }
}

TEST_CASE("grpc-timeout is at most eight digits and a unit") {
  const auto timeout = [](Slice value) {
    Request request;
    request.headers.add("grpc-timeout", value);
    return grpc::timeout(request);
  };
  CHECK(timeout("1S") == seconds(1));
  CHECK(timeout("250m") == milliseconds(250));
  CHECK(timeout("7u") == std::chrono::microseconds(7));
  CHECK(timeout("99999999n") == std::chrono::nanoseconds(99'999'999));
  CHECK(timeout("2M") == std::chrono::minutes(2));
  CHECK(timeout("3H") == std::chrono::hours(3));
  CHECK(timeout("99999999H") == std::chrono::hours(24 * 365));  // and nothing overflows
  CHECK(timeout("99999999M") == std::chrono::hours(24 * 365));
  for (const char* bad : {"", "S", "1", "1s", "1 S", "-1S", "+1S", "123456789S", "1.5S", "0x1S", "1SS"}) {
    CAPTURE(bad);
    CHECK_FALSE(timeout(bad));
  }
  CHECK_FALSE(grpc::timeout(Request{}));
}

TEST_CASE("grpc-message is printable ASCII, the rest percent-encoded") {
  CHECK(grpc::message("slow down; see ~ here") == "slow down; see ~ here");
  CHECK(grpc::message("100%\r\n\x7f\xc3\xa9") == "100%25%0D%0A%7F%C3%A9");
}
