#include "gateway/http/header_guard.h"

#include <doctest/doctest.h>

using namespace sallyport::http;

namespace {

Header named(std::string_view name) { return {name, "1", header_id(name)}; }

}  // namespace

TEST_CASE("a name is withheld by whom it is for, another spelling of it always") {
  HeaderGuard guard({"X-Real-IP", "X-SSL-*"});
  guard.add_credential("X_Key");  // spelt so by the config
  guard.add_credential("Authorization");
  struct Case {
    const char* name;
    bool stranger, proxy, proxy_keeps;
  };
  for (const Case c : {Case{"x-real-ip", true, false, false},
                       {"X-Real_IP", true, true, true},
                       {"X-Real-IPs", false, false, false},
                       {"X-SSL-", true, false, false},
                       {"x-ssl-anything", true, false, false},
                       {"x-ssl-any_thing", true, true, true},
                       {"X_SSL-Cert", true, true, true},
                       {"X-SSL", false, false, false},
                       {"x_key", true, true, false},
                       {"X-Key", true, true, true},
                       {"Authorization", true, true, false},
                       {"X-Client-Id", true, true, true},
                       {"X~Client~Id", true, true, true},
                       {"Forwarded", true, true, true},
                       {"Content-Type", false, false, false},
                       {"content.type", true, true, true},
                       {"Accept_Encoding", false, false, false},
                       {"-", false, false, false}}) {
    CAPTURE(c.name);
    CHECK(guard.withholds(named(c.name), false, false) == c.stranger);
    CHECK(guard.withholds(named(c.name), true, false) == c.proxy);
    CHECK(guard.withholds(named(c.name), true, true) == c.proxy_keeps);
    CHECK(guard.withholds_trailer(named(c.name)) == c.stranger);
  }
  const std::string long_name(100, 'x');
  guard.add_credential(long_name);
  CHECK(guard.withholds(named(long_name), true, false));
  CHECK_FALSE(guard.withholds(named(long_name.substr(1)), true, false));
}

TEST_CASE(
    "a name that the gateway decides by goes on as it was looked at: not as a trailer, not otherwise spelt") {
  HeaderGuard guard({});
  guard.add_read("X-Tenant");
  guard.add_read("X-Tenant");
  guard.add_read("Date");
  const std::string long_name = "X-" + std::string(98, 'y');
  guard.add_read(long_name);
  for (const std::string& name : {std::string("x-tenant"), std::string("Date"), long_name}) {
    CAPTURE(name);
    CHECK_FALSE(guard.withholds(named(name), false, false));
    CHECK(guard.withholds_trailer(named(name)));
  }
  for (const std::string& name : {std::string("X_Tenant"), "X_" + long_name.substr(2)}) {
    CAPTURE(name);
    CHECK(guard.withholds(named(name), true, true));
    CHECK(guard.withholds_trailer(named(name)));
  }
  CHECK_FALSE(guard.withholds_trailer(named("X-Sum")));
}

TEST_CASE("spellings of one name") {
  CHECK(is_spelling_of("X_Tenant", "x-tenant"));
  CHECK(is_spelling_of("X-Tenant", "X_Tenant"));
  CHECK_FALSE(is_spelling_of("X-TENANT", "x-tenant"));
  CHECK_FALSE(is_spelling_of("XTenant", "X-Tenant"));
  CHECK_FALSE(is_spelling_of("X-Tenants", "X-Tenant"));
}
