// `sallyport check` of configs that are valid and unwise: what it warns of.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "tests/unit/server/problems.h"

using namespace sallyport;
using namespace test;

namespace {

// Two routes of one upstream: what check warns of.
std::string warnings_of(const std::string& open, const std::string& closed,
                        std::string_view open_upstream = "app") {
  const test::Checked checked = Conf::check(
      std::string(head) +
          "upstreams: { app: { targets: [http://127.0.0.1:1] }, other: { targets: [http://127.0.0.1:2] } }\n"
          "authenticators: { keys: { type: api_key, file: ../keys.yaml, pepper: env:KEY_PEPPER } }\nroutes:\n"
          "  - { name: site, match: { " +
          open + " }, authenticate: public, forward: { to: " + std::string(open_upstream) +
          " } }\n  - { name: admin, match: { " + closed +
          " }, authenticate: { any_of: [keys] }, forward: { to: app } }\n",
      SALLYPORT_SOURCE_DIR "/conf/examples");
  CHECK(checked.problems.empty());
  CHECK(checked.generation != nullptr);
  return checked.problems.text();
}

std::string warned(const std::string& rest) {
  const test::Checked checked = Conf::check(std::string(head) + rest, SALLYPORT_SOURCE_DIR "/conf/examples");
  CHECK(checked.generation != nullptr);
  return checked.problems.text();
}

}  // namespace

TEST_CASE("a public route that takes what a protected one beside it does not recognise is warned of") {
  setenv("KEY_PEPPER", "pepper", 1);
  const std::string rest = "path: \"/{rest...}\"", admin = "path: \"/admin/{rest...}\"";
  CHECK(warnings_of(rest, admin)
            .starts_with("t.yaml:6:26: warning: route \"site\" (/{rest...}) is public and takes what route "
                         "\"admin\" (/admin/{rest...}) "
                         "does not recognise"));
  CHECK(warnings_of("path: \"/{page}\"", "path: /admin") != "");
  CHECK(warnings_of("path: \"/a/{rest...}\"", "path: /a/admin") != "");
  CHECK(warnings_of(rest + ", host: \"*.example.com\"", admin + ", host: api.example.com") != "");
  CHECK(warnings_of(rest, admin, "other") == "");
  CHECK(warnings_of("path: /site", admin) == "");
  CHECK(warnings_of("path: \"/b/{rest...}\"", admin) == "");
  CHECK(warnings_of(admin, rest) == "");  // the protected one takes all the rest
  CHECK(warnings_of(rest + ", methods: [GET]", admin + ", methods: [POST]") == "");
  CHECK(warnings_of("path: \"/{id}\", methods: [GET]", "path: \"/{id}\", methods: [POST]") == "");
}

TEST_CASE("a public route that leads the backend to what another host or path protects is warned of") {
  setenv("KEY_PEPPER", "pepper", 1);
  // open and closed: matches, and what each is forwarded as.
  const auto warned = [](const std::string& open, const std::string& closed, const std::string& open_as = "",
                         const std::string& closed_as = "") {
    const auto block = [](const std::string& as) {
      return "forward: { to: app" + (as.empty() ? "" : ", path: \"" + as + "\"") + " }";
    };
    const test::Checked checked = Conf::check(
        std::string(head) +
            "upstreams: { app: { targets: [http://127.0.0.1:1] } }\nauthenticators: { keys: { type: api_key, "
            "file: "
            "../keys.yaml, pepper: env:KEY_PEPPER } }\nroutes:\n  - { name: site, match: { " +
            open + " }, authenticate: public, " + block(open_as) + " }\n  - { name: admin, match: { " +
            closed + " }, authenticate: { any_of: [keys] }, " + block(closed_as) + " }\n",
        SALLYPORT_SOURCE_DIR "/conf/examples");
    CHECK(checked.generation != nullptr);
    return checked.problems.text();
  };
  const std::string rest = "path: \"/{rest...}\"", admin = "path: \"/admin/{rest...}\"";
  CHECK(warned(rest + ", host: a.com", admin + ", host: b.com")
            .starts_with(
                "t.yaml:6:26: warning: route \"site\" (/{rest...}) is public and asks upstream app for "
                "/{rest...}, which route \"admin\" (/admin/{rest...}) protects"));
  CHECK(warned("path: /admin", "path: /admin, host: b.com") != "");  // any other Host header will do
  CHECK(warned("path: /admin/x, host: a.com", admin + ", host: b.com") != "");
  CHECK(warned("path: /admin/x, host: a.com", admin + ", host: \"*.com\"") == "");  // a plain exception
  CHECK(warned("path: /other, host: a.com", admin + ", host: b.com") == "");
  CHECK(warned("path: /list", admin, "/admin/list") != "");
  CHECK(warned("path: \"/pub/{rest...}\"", admin, "/{rest...}") != "");
  CHECK(warned("path: \"/pub/{rest...}\"", admin, "/pages/{rest...}") == "");
  CHECK(warned(rest, admin, "", "/secret/{rest...}") != "");
  CHECK(warned("path: /secret/x", admin, "", "/secret/{rest...}") != "");
  CHECK(warned(rest, admin, "/site/{rest...}") == "");
  CHECK(warned("path: /api/alive", "path: \"/api/{rest...}\"", "/alive", "/{rest...}") == "");
  CHECK(warned("path: /list, methods: [GET]", admin + ", methods: [POST]", "/admin/list") == "");
}

TEST_CASE("a route that lets everybody past is as dangerous beside a protected one as a public one") {
  setenv("KEY_PEPPER", "pepper", 1);
  const auto warned = [](const std::string& open, const std::string& closed = "any_of: [keys]") {
    const test::Checked checked = Conf::check(
        std::string(head) +
            "upstreams: { app: { targets: [http://127.0.0.1:1] } }\nauthenticators: { keys: { type: api_key, "
            "file: ../keys.yaml, pepper: env:KEY_PEPPER } }\nroutes:\n  - { name: site, match: { path: "
            "\"/{rest...}\" }, forward: { to: app }, authenticate: " +
            open +
            " }\n  - { name: admin, match: { path: \"/admin/{rest...}\" }, forward: { to: app }, "
            "authenticate: { " +
            closed + " } }\n",
        SALLYPORT_SOURCE_DIR "/conf/examples");
    CHECK(checked.generation != nullptr);
    return checked.problems.text();
  };
  CHECK(contains(warned("{ mode: shadow, any_of: [keys] }"),
                 "route \"site\" (/{rest...}) lets everybody past (authenticate.mode: shadow) and takes what "
                 "route \"admin\" (/admin/{rest...}) does not recognise"));
  CHECK(
      contains(warned("{ mode: off, any_of: [keys] }"), "lets everybody past (authenticate.mode: off) and"));
  CHECK(warned("{ mode: shadow, any_of: [keys] }, authorize: { roles: [a] }") == "");  // none has it
  CHECK(warned("{ any_of: [keys] }") == "");
  CHECK_FALSE(contains(warned("public", "mode: shadow, any_of: [keys]"),
                       "does not recognise"));  // nothing is protected
}

TEST_CASE("what is valid and leaves a door open, or has no effect, is warned of in one line") {
  setenv("KEY_PEPPER", "pepper", 1);
  CHECK(
      warned("authenticators: { keys: { type: api_key, file: ../keys.yaml, pepper: env:KEY_PEPPER } "
             "}\nroutes: [{ name: r, match: { path: / }, authenticate: { mode: off, any_of: [keys] }, "
             "respond: { status: 204 } }]\n") ==
      "t.yaml:4:63: warning: authenticate.mode off lets everybody past: say authenticate: public if that is "
      "meant\n");
  CHECK(contains(
      warned("authenticators: { keys: { type: api_key, file: ../keys.yaml, pepper: env:KEY_PEPPER } "
             "}\nroutes: [{ name: r, match: { path: / }, authenticate: { any_of: [keys], mode: shadow }, "
             "respond: { status: 204 } }]\n"),
      "t.yaml:4:79: warning: authenticate.mode shadow lets everybody past, and only tells whom it would "
      "refuse"));
  CHECK(warned("upstreams: { a: { targets: [https://127.0.0.1], tls: { verify: false } } }\n") ==
        "t.yaml:3:64: warning: upstreams.a.tls.verify false takes any certificate: whoever is in between can "
        "read along and answer instead; name the authority that signed it (tls.ca)\n");
  CHECK(contains(warned("stores: { r: { url: \"rediss://127.0.0.1\", tls: { verify: false } } }\n"),
                 "stores.r.tls.verify false takes any certificate"));
  CHECK(
      warned(
          "upstreams: { a: { targets: [http://127.0.0.1, h2c://127.0.0.1], tls: { server_name: a } } }\n") ==
      "t.yaml:3:70: warning: upstreams.a.tls has no effect: none of its targets is https:// or h2://\n");
  CHECK(warned(
            "upstreams: { a: { targets: [http://127.0.0.1, h2://127.0.0.1], tls: { server_name: a } } }\n") ==
        "");
  CHECK(contains(
      warned("upstreams: { a: { targets: [http://127.0.0.1, h2c://127.0.0.1], connections_max: 1 } }\n"),
      "warning: upstreams.a.connections_max 1 is less than its targets need (2: one for each"));
  CHECK(warned("upstreams: { a: { targets: [http://127.0.0.1, \"http://[::1]\"], connections_max: 1 } }\n") ==
        "");
  const auto keys_from = [&](const std::string& url) {
    return warned(
        "authenticators: { i: { type: jwt, issuer: i, audiences: [a], algorithms: [ES256], jwks: { "
        "url: \"" +
        url + "\" } } }\n");
  };
  CHECK(contains(keys_from("http://idp.test/jwks"),
                 "warning: jwks.url is http://: whoever is in between can give keys of their own, and with "
                 "them make any token; use https://, or a file"));
  for (const char* near : {"https://idp.test/jwks", "http://localhost:80/", "http://127.0.0.1/",
                           "http://127.9.9.9:1/", "http://[::1]:8080/"}) {
    CAPTURE(near);
    CHECK(keys_from(near) == "");
  }
  CHECK(contains(keys_from("http://127.0.0.1.evil.test/"), "jwks.url is http://"));
  const test::Checked alone = Conf::check(
      "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, redirect: https }]\n", "/nonexistent");
  CHECK(alone.problems.text() ==
        "t.yaml:2:13: warning: listener \"m\" sends clients to TLS, and no listener has any (tls: ...)\n");
}

TEST_CASE("a listener that asks for certificates protects nothing while another serves the same without") {
  const Conf conf;
  const auto warned = [&](const std::string& others, const std::string& mode = "required") {
    return Conf::check(
               "version: 1\nlisteners:\n  - { name: partners, address: 127.0.0.1:0, tls: { certificates: "
               "[{ cert: tls/tls.crt, key: tls/tls.key }], client_certificates: { ca: tls/tls.crt, mode: " +
                   mode + " } } }\n" + others,
               conf.path())
        .problems.text();
  };
  const std::string plain = "  - { name: open, address: 127.0.0.1:0, plaintext: true }\n";
  CHECK(
      warned(plain) ==
      "t.yaml:4:5: warning: listener \"open\" asks for no client certificate, and listener \"partners\" "
      "does: "
      "every route is served on both, so that the certificate protects none; ask for it here, too, or serve "
      "what needs none by another process\n");
  CHECK(warned("") == "");
  CHECK(warned("  - { name: r, address: 127.0.0.1:0, redirect: https }\n") == "");
  CHECK(warned(plain, "optional") == "");
}

TEST_CASE("who trusts everybody's X-Forwarded-For or PROXY header is warned") {
  for (const char* range : {"0.0.0.0/0", "\"::/0\"", "\"::ffff:0:0/96\""}) {
    CAPTURE(range);
    CHECK(contains(problems_of("http: { trusted_proxies: [10.0.0.0/8, " + std::string(range) + "] }\n"),
                   " is everybody: whoever connects may say X-Forwarded-For"));
    const test::Checked checked = Conf::check(
        "version: 1\nlisteners: [{ name: m, address: 127.0.0.1:0, plaintext: true, proxy_protocol: { "
        "from: [" +
            std::string(range) + "] } }]\n",
        "/nonexistent");
    CHECK(checked.generation != nullptr);
    CHECK(contains(checked.problems.text(), "t.yaml:2:"));
    CHECK(contains(checked.problems.text(), "warning: "));
  }
  CHECK(problems_of("http: { trusted_proxies: [10.0.0.0/8, \"2001:db8::/32\", 0.0.0.0/1] }\n") == "");
}

TEST_CASE("a list that takes the place of a longer one, and a pattern that is none, are warned of") {
  CHECK(contains(warned("http: { untrusted_headers: [X-My-User] }\n"),
                 "warning: http.untrusted_headers takes the place of the default list, and backends get "
                 "X-Forwarded and others"));
  CHECK(warned("http: { untrusted_headers: [] }\n") == "");
  CHECK(warned("http: { untrusted_headers: [x-real-ip] }\n") == "");
  CHECK(contains(warned("routes: [{ name: r, match: { path: /o/:id }, authenticate: public, respond: { "
                        "status: 204 } }]\n"),
                 "\":id\" stands for itself; a part that differs is written {id}"));
  CHECK(
      warned("routes: [{ name: r, match: { path: /o/... }, authenticate: public, respond: { status: 204 } "
             "}]\n") ==
      "t.yaml:3:28: warning: route \"r\" (/o/...): \"...\" stands for itself; all that remains of a path is "
      "written {rest...}\n");
}

TEST_CASE("a target that is there twice, and one that is the gateway itself, are warned of") {
  const auto warned = [](const std::string& address, const std::string& targets) {
    return Conf::check("version: 1\nlisteners: [{ name: edge, address: \"" + address +
                           "\", plaintext: true }]\nadmin: { address: \"127.0.0.1:9901\" }\n"
                           "upstreams: { a: { targets: [" +
                           targets + "] } }\n",
                       "/nonexistent")
        .problems.text();
  };
  CHECK(warned("0.0.0.0:8081",
               "\"http://127.0.0.1:9000\", \"http://127.0.0.1:9000/\", \"http://127.0.0.1:9000\"") ==
        "t.yaml:4:54: warning: upstreams.a: http://127.0.0.1:9000/ is there already: it is one backend, with "
        "two "
        "shares of the requests, and a second attempt elsewhere may come to it again; name it once\n");
  CHECK(warned("0.0.0.0:8081", "http://a.test, \"http://a.test:80\", https://a.test, http://A.test") != "");
  CHECK(warned("0.0.0.0:8081", "\"http://127.0.0.1:8081\"") ==
        "t.yaml:4:29: warning: upstreams.a: http://127.0.0.1:8081 is this gateway's own listener \"edge\": a "
        "request "
        "would come back to it instead of reaching a backend; name the backend's address\n");
  CHECK(
      contains(warned("0.0.0.0:8081", "\"http://127.0.0.1:9901\""), "is this gateway's own admin listener"));
  for (const auto& [address, target] : {std::pair("0.0.0.0:8081", "localhost:8081"),
                                        {"[::]:8081", "127.0.0.2:8081"},
                                        {"[::]:8081", "[::1]:8081"},
                                        {"10.0.0.1:8081", "10.0.0.1:8081"},
                                        {"[2001:db8::1]:8081", "[2001:DB8:0::1]:8081"},
                                        {"127.0.0.1:80", "127.0.0.1"}})
    CHECK_MESSAGE(contains(warned(address, "\"http://" + std::string(target) + "\""), "own listener"),
                  target);
  for (const auto& [address, target] : {std::pair("0.0.0.0:8081", "127.0.0.1:8082"),
                                        {"0.0.0.0:8081", "10.0.0.1:8081"},
                                        {"0.0.0.0:8081", "[::1]:8081"},
                                        {"127.0.0.1:8081", "127.0.0.2:8081"},
                                        {"10.0.0.1:8081", "127.0.0.1:8081"},
                                        {"127.0.0.1:0", "127.0.0.1:80"},
                                        {"0.0.0.0:8081", "backend:8081"},
                                        {"unix:/run/edge.sock", "127.0.0.1:8081"}})
    CHECK_MESSAGE(warned(address, "\"http://" + std::string(target) + "\"") == "", std::string(target));
}
