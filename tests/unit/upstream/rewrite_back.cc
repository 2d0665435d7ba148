// What answers say of the backend's paths, and what the client gets of it.
#include "gateway/upstream/rewrite_back.h"

#include <doctest/doctest.h>

#include <string>

using namespace sallyport;
using namespace sallyport::upstream;

namespace {

// A route, and one request of https://api.test to it.
struct Rewritten {
  Rewritten(std::string_view match, std::string_view forward, std::string_view target = "http://orders:9000")
      : backend(*parse_target(target)),
        back(*config::PathPattern::parse(match), *config::PathPattern::parse(forward)) {}
  Rewritten& with(Slice name, Slice value) {
    params.items[params.size++] = {name, value};
    return *this;
  }
  RewriteBack::View view() { return {backend, "https", "api.test", "api.test", params, arena}; }
  std::string location(Slice value) { return std::string(back.location(value, view())); }
  std::string cookie(Slice value) { return std::string(back.set_cookie(value, view())); }
  bool keeps(Slice value) {
    const Slice made = back.location(value, view());
    return made.data() == value.data() && made.size() == value.size();
  }

  BlockPool pool;
  Arena arena{pool};
  Target backend;
  PathParams params;
  RewriteBack back;
};

}  // namespace

TEST_CASE("a path where forward.path leads becomes the client's, query and fragment stay") {
  Rewritten r("/orders/{id}", "/v1/orders/{id}");
  CHECK(r.location("/v1/orders/42") == "/orders/42");
  CHECK(r.location("/v1/orders/42/items?a=/v1/orders#v1") == "/orders/42/items?a=/v1/orders#v1");
  CHECK(r.location("/v1/orders/4%32") == "/orders/42");  // encoded once
  CHECK(r.location("/v1/orders") == "/orders");
  CHECK(r.location("/v1/orders/") == "/orders/");
  for (Slice other : {"/v1/ordersx/42", "/v1", "/", "/V1/orders/42", "/orders/42", "42", "../orders",
                      "?page=2", "#top", "", "*", "mailto:a@b"})
    CHECK_MESSAGE(r.keeps(other), other);
}

TEST_CASE("a pattern that differs in more than its front is matched whole, by its names") {
  Rewritten r("/api/{id}/x", "/v1/things/{id}");
  CHECK(r.location("/v1/things/7") == "/api/7/x");
  CHECK(r.location("/v1/things/7/parts") == "/api/7/x/parts");
  CHECK(r.keeps("/v1/things"));
  CHECK(r.keeps("/v1/things/"));
  Rewritten tenant("/t/{tenant}/{rest...}", "/{rest...}");
  tenant.with("tenant", "acme").with("rest", "a/b");
  CHECK(tenant.location("/login") ==
        "/t/acme/login");  // a name that the backend does not see: this request's
  CHECK(tenant.location("/") == "/t/acme/");
  CHECK(tenant.keeps("/t/acme/login"));
}

TEST_CASE("last slashes are those of the patterns") {
  Rewritten r("/old", "/new/");
  CHECK(r.location("/new/") == "/old");
  CHECK(r.location("/new/a") == "/old/a");
  CHECK(r.keeps("/new"));
  Rewritten back("/old/", "/new");
  CHECK(back.location("/new") == "/old/");
  Rewritten root("/app", "/");
  CHECK(root.location("/") == "/app");
  CHECK(root.location("/x") == "/app/x");
  Rewritten lost("/{rest...}", "/v1/{rest...}");
  CHECK(lost.location("/v1") == "/");
  CHECK(lost.location("/v1/x/") == "/x/");
  Rewritten page("/app/{rest...}", "/index.html");
  page.with("rest", "deep/link");
  CHECK(page.location("/index.html") == "/app");
}

TEST_CASE("a backend that has been told the client's path is not corrected") {
  Rewritten r("/grafana/{rest...}", "/{rest...}");
  CHECK(r.location("/login") == "/grafana/login");
  CHECK(r.location("/grafanas") == "/grafana/grafanas");
  CHECK(r.keeps("/grafana/login"));
  CHECK(r.keeps("/grafana"));
  CHECK(r.keeps("https://api.test/grafana/login"));
  CHECK(r.cookie("s=1; Path=/grafana") == "s=1; Path=/grafana");
}

TEST_CASE("the backend's own authority becomes the client's; any other URL stays") {
  Rewritten r("/orders/{id}", "/v1/orders/{id}");
  CHECK(r.location("http://orders:9000/v1/orders/1?q#f") == "https://api.test/orders/1?q#f");
  CHECK(r.location("HTTPS://Orders:9000/v1/orders/1") == "https://api.test/orders/1");
  CHECK(r.location("//orders:9000/v1/orders/1") == "https://api.test/orders/1");
  CHECK(r.location("http://api.test/v1/orders/1") == "http://api.test/orders/1");  // by X-Forwarded-Host
  for (Slice other : {"http://orders/v1/orders/1", "http://orders:9001/v1/orders/1",
                      "http://evil/v1/orders/1", "http://evil:9000/v1/orders/1",
                      "http://orders:9000@evil/v1/orders/1", "http://evil#@orders:9000/v1/orders/1",
                      "http://orders:9000/v2/orders/1", "http://orders:9000.evil/v1/orders/1",
                      "ftp://orders:9000/v1/orders/1", "http://api.test/orders/1", "http:/v1/orders/1"})
    CHECK_MESSAGE(r.keeps(other), other);
  Rewritten plain("/a", "/b", "http://orders");
  CHECK(plain.location("http://orders/b") == "https://api.test/a");
  CHECK(plain.location("http://orders:80/b") == "https://api.test/a");
  CHECK(plain.location("https://orders/b") == "https://api.test/a");  // what X-Forwarded-Proto makes of Host
  CHECK(plain.keeps("https://orders:443/b"));
  CHECK(plain.keeps("http://orders:9000/b"));
  Rewritten six("/a", "/b", "http://[::1]:9000");
  CHECK(six.location("http://[::1]:9000/b") == "https://api.test/a");
}

TEST_CASE("where both have the same paths only the backend's address is put right") {
  Rewritten r("/orders/{id}", "/orders/{id}");
  CHECK(r.location("http://orders:9000/orders/%7e") == "https://api.test/orders/~");
  CHECK(r.keeps("/orders/%7e"));
  CHECK(r.keeps("https://api.test/orders/%7e"));
  CHECK(r.cookie("a=b; Path=/orders") == "a=b; Path=/orders");
}

TEST_CASE("hostile values: no other host, no broken line, nothing that two could read differently") {
  Rewritten r("/{rest...}", "/v1/{rest...}");
  for (Slice bad : {"/v1//evil.test",
                    "/v1//evil.test/x",
                    "http://orders:9000/v1//evil.test",
                    "/v1/\\evil.test",
                    "/v1/..//evil.test",
                    "/v1/%2e%2e/x",
                    "/v1/%2fevil.test",
                    "/v1/x\t",
                    "/v1/x y",
                    "/v1/\xc3\xa9",
                    "/v1/%0d%0aSet-Cookie:a",
                    "/v1/x\r\nA: b",
                    "/v1/%zz",
                    "/v1/x#a b",
                    "/v1/x#\x01",
                    "/v1/?q=%zz",
                    "\\\\evil.test/v1/x",
                    "///evil.test/v1/x",
                    "http://[::1/v1/x",
                    "http:///v1/x"})
    CHECK_MESSAGE(r.keeps(bad), bad);
}

TEST_CASE("a cookie's path under forward.path becomes the client's, all else of it stays") {
  Rewritten r("/orders/{id}", "/v1/orders/{id}");
  CHECK(r.cookie("a=Path=/v1/orders; PATH = /v1/orders ;HttpOnly; SameSite=Lax") ==
        "a=Path=/v1/orders; PATH = /orders ;HttpOnly; SameSite=Lax");
  CHECK(r.cookie("a=b; Path=/v1/orders/42; Secure") == "a=b; Path=/orders/42; Secure");
  CHECK(r.cookie("a=b; Path=/v1/orders/; Path=/v1/orders") == "a=b; Path=/orders/; Path=/orders");
  for (Slice other : {"a=b", "a=b; Path=/", "a=b; Path=/v1", "a=b; Path=/v1/ordersx", "a=b; Path",
                      "a=b; Path=", "a=b;;", "a=b; Path=v1/orders", "", ";", "a=b; XPath=/v1/orders",
                      "__Host-a=b; Path=/v1/orders", "a=b; Path=/v1/orders/\xc3\xa9"})
    CHECK(r.cookie(other) == other);
  Rewritten strip("/files/{rest...}", "/{rest...}");
  CHECK(strip.cookie("a=b; Path=/") == "a=b; Path=/files");
  CHECK(strip.cookie("a=b; Path=/x/") == "a=b; Path=/files/x/");
  CHECK(strip.cookie("__Host-a=b; Secure; Path=/") == "__Host-a=b; Secure; Path=/");
  Rewritten add("/{rest...}", "/v1/{rest...}");
  CHECK(add.cookie("a=b; Path=/v1") == "a=b; Path=/");
  Rewritten things("/api/{id}/x", "/v1/things/{id}");
  CHECK(things.cookie("a=b; Path=/v1/things") == "a=b; Path=/api");
  CHECK(things.cookie("a=b; Path=/v1/things/7") == "a=b; Path=/api/7/x");
}

TEST_CASE("a path of the client's cannot add attributes to a cookie") {
  Rewritten r("/t/{tenant}/x", "/x");
  r.with("tenant", "a;Domain=evil.test");
  CHECK(r.cookie("a=b; Path=/x") == "a=b; Path=/x");
}

TEST_CASE("a cookie's domain that is the backend's host goes, one that the client lies in stays") {
  Rewritten r("/a", "/b");
  CHECK(r.cookie("a=b; Domain=orders; Secure") == "a=b; Secure");
  CHECK(r.cookie("a=b;domain=.Orders") == "a=b");
  CHECK(r.cookie("a=b; Path=/b; Domain=orders; Path=/b") == "a=b; Path=/a; Path=/a");
  CHECK(r.cookie("a=b; Domain=internal") == "a=b; Domain=internal");
  Rewritten parent("/a", "/b", "http://test:9000");
  CHECK(parent.cookie("a=b; Domain=test") == "a=b; Domain=test");
}
