// Routes: defaults laid under them, and what can be wrong with one or between two.
#include "tests/unit/config/load_support.h"

using namespace sallyport;
using namespace sallyport::config;
using namespace sallyport::config::testing;

namespace {

// One route a line, from line 6 on; each answers and is public.
std::string routes(std::initializer_list<std::string_view> matches) {
  std::string text = with_head("routes:\n");
  int number = 0;
  for (std::string_view match : matches) {
    text += "  - { name: r" + std::to_string(++number) + ", match: " + std::string(match) +
            ", authenticate: public, respond: { status: 204 } }\n";
  }
  return text;
}

std::string of_route(std::string_view keys) {
  return problems_of(with_head("routes:\n  - { name: r, match: { path: /a }, " + std::string(keys) + " }\n"));
}

}  // namespace

TEST_CASE("a route is its match and the blocks of plugins") {
  const Loaded loaded = load_yaml(with_head(R"(routes:
  - name: read-order
    match: { host: API.Example.com, path: "/orders/{id}", methods: [GET, HEAD] }
    authenticate: public
    limit: []
    forward: { to: orders }
)"));
  CHECK(loaded.problems.text() == "");
  REQUIRE(loaded.model->routes.size() == 1);
  const Route& route = loaded.model->routes[0];
  CHECK(route.name == "read-order");
  CHECK(route.mark.line == 6);
  CHECK(route.match.host == "api.example.com");
  CHECK(route.match.path.segments.size() == 2);
  CHECK(route.match.methods == std::vector<std::string>{"GET", "HEAD"});
  REQUIRE(route.plugin("forward") != nullptr);
  CHECK(route.plugin("forward")->path == "routes[0].forward");
  CHECK(route.plugin("forward")->block->mark.line == 10);
  CHECK(route.plugin("validate") == nullptr);
}

TEST_CASE("a key of the route replaces the default of that key whole") {
  const Loaded loaded = load_yaml(with_head(R"(defaults:
  authenticate: { any_of: [keys] }
  limit: [per-client]
  forward: { to: orders }
routes:
  - { name: a, match: { path: /a }, limit: [] }
  - { name: b, match: { path: /b }, authenticate: public, respond: { status: 204 } }
)"));
  CHECK(loaded.problems.text() == "");
  const Route& a = loaded.model->routes[0];
  CHECK(a.plugin("authenticate")->path == "defaults.authenticate");
  CHECK(a.plugin("authenticate")->block->find("any_of") != nullptr);
  CHECK(a.plugin("limit")->path == "routes[0].limit");
  CHECK(a.plugin("limit")->block->items.empty());
  CHECK(a.plugin("forward")->path == "defaults.forward");
  const Route& b = loaded.model->routes[1];
  CHECK(b.plugin("authenticate")->block->text == "public");
  CHECK(b.plugin("limit")->path == "defaults.limit");
  CHECK(b.plugin("forward") == nullptr);  // it says itself what answers
}

TEST_CASE("unknown keys of routes and defaults") {
  CHECK(of_route("authenticat: public, authenticate: public, respond: {}") ==
        "t.yaml:6:37: unknown key \"authenticat\" in routes[0]; did you mean \"authenticate\"?");
  CHECK(contains(problems_of(with_head("defaults:\n  limits: [a]\n")),
                 "t.yaml:6:3: unknown key \"limits\" in defaults; did you mean \"limit\"?"));
  CHECK(contains(problems_of(with_head("routes:\n  - { nam: r }\n")), "did you mean \"name\"?"));
  CHECK(contains(problems_of(with_head("routes:\n  - { nam: r }\n")), "routes[0] needs \"match\""));
  CHECK(contains(problems_of(with_head("routes: { a: 1 }\n")), "t.yaml:5:9: "));
  CHECK(contains(problems_of(with_head("defaults: [a]\n")), "t.yaml:5:11: "));
  CHECK(contains(problems_of(with_head("routes: [7]\n")), "t.yaml:5:10: "));
}

TEST_CASE("a key that is misspelt is told once: that it is missing has the same cause") {
  CHECK(of_route("authenticate: public, forwrad: { to: a }") ==
        "t.yaml:6:59: unknown key \"forwrad\" in routes[0]; did you mean \"forward\"?");
  CHECK(problems_of(
            with_head("routes:\n  - { nme: r, match: { pth: /a }, authenticate: public, respond: {} }\n")) ==
        "t.yaml:6:7: unknown key \"nme\" in routes[0]; did you mean \"name\"?\n"
        "t.yaml:6:24: unknown key \"pth\" in routes[0].match; did you mean \"path\"?");
  CHECK(problems_of(with_head("upstreams: { a: { target: [http://a] } }\n")) ==
        "t.yaml:5:19: unknown key \"target\" in upstreams.a; did you mean \"targets\"?");
  CHECK(contains(of_route("authentcate: public, forwrad: { to: a }, responds: {}"),
                 "did you mean \"respond\"?"));
}

TEST_CASE("a route says who may call it and what answers") {
  CHECK(of_route("respond: { status: 204 }") ==
        "t.yaml:6:5: route \"r\" says nothing about who may call it: add authenticate: … or authenticate: "
        "public");
  CHECK(of_route("authenticate: public") ==
        "t.yaml:6:5: route \"r\" says nothing about what answers: add forward: … or respond: …");
  CHECK(of_route("authenticate: public, forward: { to: a }, respond: { status: 204 }") ==
        "t.yaml:6:5: route \"r\" has both forward and respond: it can have one");
  CHECK(of_route("authenticate: public, authorize: { roles: [a] }, respond: { status: 204 }") ==
        "t.yaml:6:5: route \"r\" is public, so that nobody has the roles or scopes that its authorize asks "
        "for: "
        "name an authenticator, or say authorize: { mode: off }");
  CHECK(of_route("authenticate: public, authorize: { roles: [a], mode: off }, respond: { status: 204 }") ==
        "");
  const std::string off = "authenticate: { mode: off, any_of: [k] }, respond: { status: 204 }, authorize: ";
  for (const char* mode : {"enforce", "shadow"}) {
    CHECK(contains(
        of_route(off + "{ roles: [a], mode: " + mode + " }"),
        "t.yaml:6:5: route \"r\" asks nobody who calls (authenticate.mode: off), so that nobody has "
        "the roles or scopes that its authorize asks for: say another mode, or say authorize: { mode: "
        "off }"));
  }
  CHECK(!contains(of_route(off + "{ roles: [a], mode: off }"), "asks nobody"));
}

TEST_CASE("names of routes are unique, and names") {
  const std::string all = problems_of(with_head(R"(routes:
  - { name: a, match: { path: /a }, authenticate: public, respond: {} }
  - { name: a, match: { path: /b }, authenticate: public, respond: {} }
  - { name: "a{}", match: { path: /c }, authenticate: public, respond: {} }
)"));
  CHECK(contains(all, "t.yaml:7:5: a second route is called \"a\": the first is at line 6"));
  CHECK(contains(all, "t.yaml:8:13: \"a{}\" is no name"));
}

TEST_CASE("a bad path is told where it stands") {
  CHECK(problems_of(routes({"{ path: orders }"})) ==
        "t.yaml:6:32: path \"orders\": a path begins with \"/\"");
  CHECK(contains(problems_of(routes({"{ path: \"/a/{b}c\" }"})), "must be a whole segment"));
  CHECK(contains(problems_of(routes({"{ path: [/a] }"})), "t.yaml:6:32: "));
  CHECK(contains(problems_of(routes({"{ path: {} }"})), "t.yaml:6:32: expected a path"));
  CHECK(contains(problems_of(routes({"{}"})), "needs \"path\""));
}

TEST_CASE("hosts are names without a port; a wildcard stands for the first labels only") {
  for (std::string_view good :
       {"api.example.com", "\"*.example.com\"", "localhost", "127.0.0.1", "\"[::1]\"", "a_b"}) {
    CAPTURE(good);
    CHECK(problems_of(routes({"{ path: /a, host: " + std::string(good) + " }"})) == "");
  }
  auto host = [](std::string_view text) {
    return problems_of(routes({"{ path: /a, host: \"" + std::string(text) + "\" }"}));
  };
  CHECK(host("a.example.com:8443") ==
        "t.yaml:6:42: host \"a.example.com:8443\": expected a host name without a port: a route is the same "
        "on all of them");
  CHECK(contains(host("*"), "can only stand for the first labels"));
  CHECK(contains(host("a.*.com"), "can only stand for the first labels"));
  CHECK(contains(host("*.*.com"), "can only stand for the first labels"));
  CHECK(contains(host("*a.com"), "can only stand for the first labels"));
  for (std::string_view bad :
       {"", "*.", ".a", "a.", "a..b", "a b", "a/b", "http://a", "[::1]:80", "[::1]x"}) {
    CAPTURE(bad);
    CHECK(contains(host(bad), "t.yaml:6:42: host "));
  }
}

TEST_CASE("methods are known ones, in upper case, each once") {
  auto methods = [](std::string_view list) {
    return problems_of(routes({"{ path: /a, methods: " + std::string(list) + " }"}));
  };
  CHECK(methods("[GET, PATCH, PROPFIND]") == "");
  CHECK(methods("[get]") ==
        "t.yaml:6:46: \"get\" is not a method that can be routed: methods are case-sensitive, write GET");
  CHECK(contains(methods("[DELTE]"), "\"DELTE\" is not a method that can be routed; did you mean DELETE?"));
  CHECK(contains(methods("[CONNECT]"), "is not a method that can be routed"));
  CHECK(contains(methods("[GET, GET]"), "t.yaml:6:51: \"GET\" is there twice"));
  CHECK(contains(methods("[]"), "leave the key out for all methods"));
  CHECK(contains(methods("GET"), "t.yaml:6:45: "));
}

TEST_CASE("two routes that match the same requests are an error that names both") {
  CHECK(problems_of(routes(
            {"{ path: \"/o/{id}\", methods: [GET] }", "{ path: \"/o/{number}\", methods: [POST, GET] }"})) ==
        "t.yaml:7:24: routes \"r1\" and \"r2\" match the same requests: /o/{id} and /o/{number}");
  CHECK(contains(
      problems_of(routes({"{ path: /a, host: x.com }", "{ path: /a, host: X.com, methods: [GET] }"})),
      "match the same requests: /a and /a of x.com"));
  CHECK(contains(problems_of(routes({"{ path: /a, methods: [GET] }", "{ path: /a }"})),
                 "match the same requests"));
  CHECK(contains(problems_of(routes({"{ path: \"/{a...}\" }", "{ path: \"/{b...}\" }"})),
                 "match the same requests"));
  CHECK(contains(problems_of(routes({"{ path: /a, methods: [GET] }", "{ path: /a, methods: [POST] }",
                                     "{ path: /a, methods: [POST] }"})),
                 "routes \"r2\" and \"r3\""));
}

TEST_CASE("routes of which one is more specific, or that differ in host or method, do not conflict") {
  CHECK(problems_of(routes({"{ path: /a, methods: [GET] }", "{ path: /a, methods: [POST] }", "{ path: /a/ }",
                            "{ path: \"/{x}\" }", "{ path: \"/{x...}\" }", "{ path: \"/a/{x}\" }",
                            "{ path: \"/{x}/a\" }", "{ path: /a, host: x.com }",
                            "{ path: /a, host: \"*.x.com\" }", "{ path: / }"})) == "");
}

TEST_CASE("ten thousand routes load, with their defaults shared") {
  std::string text = with_head("defaults: { authenticate: public, body: { max: 1KiB } }\nroutes:\n");
  for (int i = 0; i < 10'000; ++i) {
    const std::string n = std::to_string(i);
    text += "  - { name: r" + n + ", match: { path: /r/" + n + " }, respond: { status: 204 } }\n";
  }
  const Loaded loaded = load_yaml(text);
  CHECK(loaded.problems.empty());
  REQUIRE(loaded.model->routes.size() == 10'000);
  CHECK(loaded.model->routes[0].plugin("body")->block == loaded.model->routes[9'999].plugin("body")->block);
}

TEST_CASE("defaults that are public are warned of, also before a route says nothing") {
  const std::string warning =
      "t.yaml:5:27: warning: defaults.authenticate: public makes every route public that says nothing about "
      "who may call it: say authenticate: public on each route that is meant, and here who may call the "
      "others";
  const std::string defaults = "defaults: { authenticate: public }\nroutes:\n";
  const std::string rest = ", respond: { status: 204 } }\n";
  CHECK(problems_of(with_head(defaults + "  - { name: a, match: { path: /a }" + rest)) == warning);
  CHECK(problems_of(with_head(defaults + "  - { name: a, match: { path: /a }, authenticate: { any_of: [k] }" +
                              rest)) == warning);
  CHECK(problems_of(with_head("defaults: { authenticate: { any_of: [k] } }\nroutes:\n  - { name: a, match: { "
                              "path: /a }, authenticate: public" +
                              rest)) == "");
}

TEST_CASE("a login that no caller can have had is warned of: API keys tell of none") {
  const auto warned = [](const std::string& authenticate, const std::string& authorize) {
    return problems_of(with_head(
        "authenticators: { k: { type: api_key }, l: { type: api_key }, i: { type: jwt } }\nroutes:\n"
        "  - { name: r, match: { path: /a }, respond: { status: 204 },\n      authenticate: { " +
        authenticate + " },\n      authorize: { " + authorize + " } }\n"));
  };
  CHECK(
      warned("any_of: [k, l]", "roles: [a], acr: [mfa]") ==
      "t.yaml:9:37: warning: no caller of route \"r\" has what authorize.acr asks for: it stands in tokens, "
      "and the route takes API keys only; name an authenticator of type jwt, or leave the key out");
  CHECK(contains(warned("any_of: [k]", "max_age: 5m"),
                 "t.yaml:9:29: warning: no caller of route \"r\" has "
                 "what authorize.max_age asks for"));
  CHECK(contains(warned("all_of: [k, i]", "max_age: 5m"), "authorize.max_age"));  // the first says who calls
  CHECK(warned("all_of: [i, k]", "acr: [mfa], max_age: 5m") == "");
  CHECK(warned("any_of: [k, i]", "acr: [mfa], max_age: 5m") == "");
  CHECK(warned("any_of: [k]", "roles: [a], acr: [], max_age: null") == "");
  CHECK(warned("any_of: [k]", "mode: off, acr: [mfa]") == "");
  CHECK(warned("any_of: [none]", "acr: [mfa]") == "");  // that is told elsewhere
}

TEST_CASE("a limit by a claim that no caller has is warned of: API keys have none") {
  const auto warned = [](const std::string& authenticate, const std::string& by,
                         const std::string& limit = "[m, l]") {
    return problems_of(with_head(
        "authenticators: { k: { type: api_key }, i: { type: jwt } }\nlimits: { l: { rate: 9/1s, by: " + by +
        " }, m: { rate: 9/1s } }\nroutes:\n"
        "  - { name: r, match: { path: /a }, respond: { status: 204 },\n      authenticate: { " +
        authenticate + " },\n      limit: " + limit + " }\n"));
  };
  CHECK(warned("any_of: [k]", "claim:tenant") ==
        "t.yaml:10:18: warning: no caller of route \"r\" has the claim:tenant that limit l counts by, so "
        "that by "
        "it all callers share one counter: the route takes API keys only; count by client, or name an "
        "authenticator of type jwt");
  CHECK(contains(warned("all_of: [k, i]", "[route, \"claim:a.b\"]", "{ use: [l] }"),
                 "has the claim:a.b that limit l"));
  CHECK(warned("any_of: [k, i]", "claim:tenant") == "");
  CHECK(warned("all_of: [i, k]", "claim:tenant") == "");
  CHECK(warned("any_of: [k]", "client") == "");
  CHECK(warned("any_of: [k]", "[client, ip]") == "");
  CHECK(warned("any_of: [k]", "claim:tenant", "{ mode: off, use: [l] }") == "");
  CHECK(warned("any_of: [k]", "claim:tenant", "[n]") == "");  // that is told elsewhere
}

TEST_CASE("an entry of routes that is no map is told once, with its place") {
  CHECK(problems_of(with_head("routes: [hello]\n")) == "t.yaml:5:10: routes[0]: expected a map, found text");
  CHECK(problems_of(with_head("routes: [~, [a], 1]\n")) ==
        "t.yaml:5:10: routes[0]: expected a map, found nothing\n"
        "t.yaml:5:13: routes[1]: expected a map, found a list\n"
        "t.yaml:5:18: routes[2]: expected a map, found an integer");
}
