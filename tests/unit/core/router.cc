#include "gateway/core/router.h"

#include <doctest/doctest.h>

#include <deque>
#include <string>

#include "gateway/config/route_pattern.h"

using namespace sallyport;

namespace {

// Routes by name; a Route is told by its address only.
class Table {
 public:
  Table& add(const std::string& name, const std::string& host, const std::string& path,
             std::vector<std::string> methods = {}) {
    patterns_.push_back(config::PathPattern::parse(path).value());
    names_.push_back(name);
    entries_.push_back(
        {host, &patterns_.back(), std::move(methods), reinterpret_cast<const Route*>(&names_.back())});
    return *this;
  }
  std::string find(const std::string& host, const std::string& path, const std::string& method = "GET") {
    const Router router(entries_);
    PathParams params;
    const auto match = router.find(host, path, http::method_from(method), method, params);
    if (match.route == nullptr) return match.allow.empty() ? "404" : "405 " + std::string(match.allow);
    std::string out = *reinterpret_cast<const std::string*>(match.route);
    for (const auto& p : params) out += " " + std::string(p.name) + "=" + std::string(p.value);
    return out;
  }

 private:
  std::deque<config::PathPattern> patterns_;
  std::deque<std::string> names_;
  std::vector<Router::Entry> entries_;
};

}  // namespace

TEST_CASE("the most specific path wins, whatever the order") {
  Table t;
  t.add("rest", "", "/a/{rest...}")
      .add("param", "", "/a/{id}")
      .add("literal", "", "/a/b")
      .add("deep", "", "/a/{id}/c")
      .add("slash", "", "/a/b/");
  CHECK(t.find("h", "/a/b") == "literal");
  CHECK(t.find("h", "/a/x") == "param id=x");
  CHECK(t.find("h", "/a/b/c") == "deep id=b");  // the literal b leads nowhere: it goes back
  CHECK(t.find("h", "/a/b/") == "slash");
  CHECK(t.find("h", "/a/x/y/z") == "rest rest=x/y/z");
  CHECK(t.find("h", "/a/") == "rest rest=");
  CHECK(t.find("h", "/a") == "rest rest=");
  CHECK(t.find("h", "/a//c") == "rest rest=/c");  // an empty segment is no {id}
  CHECK(t.find("h", "/b") == "404");
}

TEST_CASE(
    "a path that is more specific comes before a host that is, and of one path the host counts by method") {
  Table t;
  t.add("site", "www.example.com", "/{rest...}", {"GET"})
      .add("api", "", "/v1/{rest...}")
      .add("write", "", "/{rest...}", {"GET", "POST"})
      .add("wild", "*.example.com", "/{rest...}", {"PUT"})
      .add("above", "*.com", "/v1/keys", {"GET"});
  CHECK(t.find("www.example.com", "/a") == "site rest=a");
  CHECK(t.find("www.example.com", "/a", "POST") == "write rest=a");
  CHECK(t.find("www.example.com", "/a", "PUT") == "wild rest=a");
  CHECK(t.find("www.example.com", "/a", "DELETE") == "405 GET, PUT, POST");
  CHECK(t.find("www.example.com", "/v1/x") == "api rest=x");
  CHECK(t.find("www.example.com", "/v1/keys") == "above");
  CHECK(t.find("example.org", "/v1/keys") == "api rest=keys");
  CHECK(t.find("example.com", "/a", "PUT") == "405 GET, POST");
}

TEST_CASE("a named host comes before a wildcard, and that before none") {
  Table t;
  t.add("any", "", "/x")
      .add("wild", "*.example.com", "/x")
      .add("exact", "api.example.com", "/x")
      .add("only-any", "", "/y");
  CHECK(t.find("api.example.com", "/x") == "exact");
  CHECK(t.find("www.example.com", "/x") == "wild");
  CHECK(t.find("a.b.example.com", "/x") == "wild");
  CHECK(t.find("example.com", "/x") == "any");
  CHECK(t.find("api.example.com", "/y") == "only-any");
}

TEST_CASE("methods: 405 tells which there are") {
  Table t;
  t.add("read", "", "/x", {"GET"}).add("write", "", "/x", {"POST", "PUT"}).add("brew", "", "/pot", {"BREW"});
  CHECK(t.find("h", "/x") == "read");
  CHECK(t.find("h", "/x", "PUT") == "write");
  CHECK(t.find("h", "/x", "DELETE") == "405 GET, POST, PUT");
  CHECK(t.find("h", "/pot", "BREW") == "brew");
  CHECK(t.find("h", "/pot", "OTHER") == "405 BREW");
}

TEST_CASE("routes of one path that differ in method keep their own names of its parameters") {
  Table t;
  t.add("read", "", "/t/{tenant}/{id}", {"GET"})
      .add("write", "", "/t/{id}/{tenant}", {"POST", "PUT"})
      .add("other", "", "/t/{x}/{y}")
      .add("files", "", "/f/{path...}", {"GET"})
      .add("upload", "", "/f/{name...}", {"PUT"});
  CHECK(t.find("h", "/t/acme/7") == "read tenant=acme id=7");
  CHECK(t.find("h", "/t/7/acme", "PUT") == "write id=7 tenant=acme");
  CHECK(t.find("h", "/t/a/b", "DELETE") == "other x=a y=b");
  CHECK(t.find("h", "/f/a/b") == "files path=a/b");
  CHECK(t.find("h", "/f/a/b", "PUT") == "upload name=a/b");
}
