// What is written is one message: no name and no value can end a head, or make a header of its own.
#include <doctest/doctest.h>

#include <string>

#include "gateway/base/arena.h"
#include "gateway/http/h1_message.h"
#include "gateway/http/h2_fields.h"
#include "gateway/http/h2_message.h"

using namespace sallyport;
using namespace sallyport::http;

namespace {

const Header unsafe[] = {{"X-A", "a\r\nX-Admin: 1"},
                         {"X-A", "a\nb"},
                         {"X-A", "a\rb"},
                         {"X-A", Slice("\0", 1)},
                         {"X-A", "\x7f"},
                         {"X-A\r\nX-Admin", "1"},
                         {"X A", "1"},
                         {"", "1"},
                         {"X:A", "1"},
                         {"Content-Type", "a/b\r\n\r\n", HeaderId::content_type}};
const Header safe[] = {{"X-A", "a\tb \xc3\xa9"}, {"X-A", ""}, {"x!#$%&'*+-.^_`|~9", "1"}};

struct Written {
  BlockPool pool;
  Arena arena{pool};
  Buffer out{pool};
  h2::FieldList fields;
  Request request;
  Response response;
  Written() {
    request.method_text = "GET";
    request.path = "/";
    response.status = 200;
  }
  // How many of the four writers write it.
  int by(const Header& h) {
    request.headers.clear();
    response.headers.clear();
    request.headers.add(h.name, h.value);
    response.headers.add(h.name, h.value);
    int writers = h1::write_request_head(request, "a", out) ? 1 : 0;
    writers += h1::write_response_head(response, Method::get, Version::http11, true, out) ? 1 : 0;
    writers += h2::write_request_fields(request, "https", "a", arena, fields) ? 1 : 0;
    writers += h2::write_response_fields(response, arena, fields) ? 1 : 0;
    return writers;
  }
};

}  // namespace

TEST_CASE("a head with a name or value that is none is not written, whoever made it") {
  for (const Header& h : unsafe) {
    CAPTURE(h.name);
    CAPTURE(h.value);
    Written written;
    CHECK(written.by(h) == 0);
    CHECK(written.out.empty());
  }
  for (const Header& h : safe) {
    CAPTURE(h.name);
    Written written;
    CHECK(written.by(h) == 4);
    CHECK(written.out.readable().find("\r\n" + std::string(h.name) + ": " + std::string(h.value) + "\r\n") !=
          Slice::npos);
  }
}

TEST_CASE("what was checked and then changed is checked again") {
  Written written;
  written.request.headers.add_checked("X-A", "1");
  written.request.headers.map_values([](const Header&) { return Slice("\n"); });
  CHECK_FALSE(h1::write_request_head(written.request, "a", written.out));
}

TEST_CASE("nor does a request line or a Host hold more than itself") {
  for (const Slice bad : {Slice("a\r\nX: y"), Slice("a\n"), Slice("\0", 1)}) {
    Written written;
    CHECK_FALSE(h1::write_request_head(written.request, bad, written.out));
    CHECK_FALSE(h2::write_request_fields(written.request, "https", bad, written.arena, written.fields));
    written.request.sent_path = bad;
    CHECK_FALSE(h1::write_request_head(written.request, "a", written.out));
    CHECK_FALSE(h2::write_request_fields(written.request, "https", "a", written.arena, written.fields));
    CHECK(written.out.empty());
  }
}

TEST_CASE("a trailer that is none is left out") {
  Written written;
  Headers trailers;
  trailers.add("X-Good", "1");
  for (const Header& h : unsafe) trailers.add(h.name, h.value);
  h1::write_last_chunk(trailers, written.out);
  CHECK(written.out.readable() == "0\r\nX-Good: 1\r\n\r\n");
  CHECK(h2::write_trailer_fields(trailers, written.fields));
  CHECK(written.fields.fields.size() == 1);
}
