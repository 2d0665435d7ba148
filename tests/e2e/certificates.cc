// Certificates: which one a client gets, how they are renewed, and which are refused.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <ctime>

#include "tests/support/gateway.h"

using namespace sallyport::test;
using namespace std::chrono_literals;

namespace {

const std::string route =
    "routes:\n  - { name: x, match: { path: /x }, authenticate: public, respond: { status: 200 } }\n";

// A self-signed NAME.crt with NAME.key for a host; more: further arguments of `openssl req`.
void make(const TempDir& dir, const std::string& name, const std::string& host,
          const std::vector<std::string>& more = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}) {
  std::vector<std::string> command = {"openssl", "req",
                                      "-x509",   "-nodes",
                                      "-days",   "30",
                                      "-subj",   "/CN=" + name,
                                      "-addext", "subjectAltName=DNS:" + host,
                                      "-keyout", dir.path("new.key"),
                                      "-out",    dir.path("new.crt")};
  command.insert(command.end(), more.begin(), more.end());
  REQUIRE(run(command).status == 0);
  dir.write(name + ".key", dir.read("new.key"));
  dir.write(name + ".crt", dir.read("new.crt"));
}

GatewayOptions with(const std::string& one, const std::string& other) {
  return {.edge_tls = "certificates: [ { cert: " + one + ".crt, key: " + one + ".key }, { cert: " + other +
                      ".crt, key: " + other + ".key } ]"};
}

// Of a.test, and of b.test.
void make_both(const TempDir& dir) {
  make(dir, "a", "a.test");
  make(dir, "b", "b.test");
}

// Puts another one into the files b.crt and b.key; its common name is `name`.
void replace_b(const Gateway& gateway, const std::string& name, const std::string& host) {
  const TempDir fresh;
  make(fresh, name, host);
  gateway.dir().write("b.key", fresh.read(name + ".key"));
  gateway.dir().write("b.crt", fresh.read(name + ".crt"));
}

// How the server has signed, for a client that can check these signatures only.
std::string signature_for(const Gateway& gateway, const std::string& algorithms) {
  const std::string out = run({"sh", "-c",
                               "openssl s_client -connect 127.0.0.1:" + std::to_string(gateway.port()) +
                                   " -servername api.test -sigalgs " + algorithms + " </dev/null 2>&1"})
                              .out;
  const size_t at = out.find("Peer signature type: ");
  return at == out.npos ? "" : out.substr(at + 21, out.find('\n', at) - at - 21);
}

// A certificate of the clients' authority and key, good from `start` (empty: now) until `end`; in dir.
void sign_client(const TempDir& dir, const std::string& name, const std::string& start, std::time_t end) {
  const std::string c = certificates().path();
  std::array<char, 16> text;
  std::strftime(text.data(), text.size(), "%Y%m%d%H%M%SZ", std::gmtime(&end));
  dir.write("ca.cnf",
            "[ca]\ndefault_ca=x\n[x]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
            "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n");
  dir.write("index", "");
  dir.write("serial", "01\n");
  const std::string sign = "cd " + dir.path() + " && openssl ca -batch -notext -config ca.cnf -cert " + c +
                           "/ca.crt -keyfile " + c + "/ca.key -in " + c + "/client.csr -out " + name +
                           (start.empty() ? "" : " -startdate " + start) + " -enddate " + text.data() +
                           " >/dev/null 2>&1";
  REQUIRE(std::system(sign.c_str()) == 0);
}

GatewayOptions asking_for_certificates() {
  const std::string c = certificates().path();
  return {.edge_tls = "certificates: [ { cert: " + c + "/tls.crt, key: " + c +
                      "/tls.key } ], client_certificates: { ca: " + c + "/ca.crt, mode: required }"};
}

}  // namespace

TEST_CASE("of an RSA and an ECDSA certificate for one name a client gets the one that it can check") {
  Gateway gateway(
      route,
      [](const TempDir& dir) {
        make(dir, "rsa", "api.test", {"-newkey", "rsa:2048"});
        make(dir, "ecdsa", "api.test");
      },
      with("rsa", "ecdsa"));
  CHECK(gateway.connect({.server_name = "api.test"})->certificate_name() == "ecdsa");
  CHECK(gateway.connect({.server_name = "api.test", .max_version = "1.2"})->certificate_name() == "ecdsa");
  CHECK(signature_for(gateway, "RSA-PSS+SHA256") == "RSA-PSS");
  CHECK(signature_for(gateway, "RSA+SHA256 -tls1_2") == "RSA");
  CHECK(signature_for(gateway, "ECDSA+SHA256") == "ECDSA");
  CHECK(signature_for(gateway, "RSA-PSS+SHA256:ECDSA+SHA256 -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256") ==
        "RSA-PSS");
}

TEST_CASE("a certificate that is broken on disk does not keep the others from being renewed") {
  Gateway gateway(route, make_both, with("a", "b"));
  gateway.dir().write("a.crt", "nonsense");
  CHECK(gateway.has_metric(R"(sallyport_file_reloads_total{kind="certificate",result="failure"} 1)"));
  CHECK(gateway.told("certificate_reload_failed listener=edge file=a.crt"));
  replace_b(gateway, "renewed", "b.test");
  CHECK(eventually(
      [&] { return gateway.connect({.server_name = "b.test"})->certificate_name() == "renewed"; }));
  CHECK(gateway.connect({.server_name = "a.test"})->certificate_name() == "a");
}

TEST_CASE("a certificate that no client would accept is refused, one whose time is over is told") {
  TempDir dir;
  const auto checked = [&](const std::string& name, const std::vector<std::string>& more) {
    make(dir, name, "api.test", more);
    return run({binary(), "check",
                dir.write("gateway.yaml",
                          "version: 1\nlisteners: [ { name: edge, address: \"127.0.0.1:0\", tls: { "
                          "certificates: [ { cert: " +
                              name + ".crt, key: " + name + ".key } ] } } ]\n" + route)});
  };
  const std::vector<std::string> ec = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"};
  const auto with_more = [&](std::vector<std::string> more) {
    more.insert(more.begin(), ec.begin(), ec.end());
    return more;
  };
  CHECK(checked("good", ec).status == 0);
  CHECK(checked("server", with_more({"-addext", "extendedKeyUsage=serverAuth,clientAuth"})).status == 0);
  const Finished client = checked("client", with_more({"-addext", "extendedKeyUsage=clientAuth"}));
  CHECK(client.status == 78);
  CHECK(client.err.find("client.crt with client.key: the certificate is not for servers") !=
        std::string::npos);
  CHECK(checked("weak", {"-newkey", "rsa:1024"}).err.find("the RSA key of 1024 bits is too weak") !=
        std::string::npos);
  CHECK(checked("old", with_more({"-sha1"})).err.find("is signed with SHA-1") != std::string::npos);
}

TEST_CASE("a certificate whose time is over is served, and told; metrics tell of those in force") {
  Gateway gateway(route, make_both, with("a", "b"));
  const auto expiry = [&](const std::string& name) {
    return gateway.admin("/metrics")
               .body.find("sallyport_certificate_expiry_timestamp_seconds{listener=\"edge\",name=\"" + name +
                          "\"}") != std::string::npos;
  };
  CHECK((expiry("a.test") && expiry("b.test")));
  gateway.advance(24h * 31);
  replace_b(gateway, "next", "next.test");
  CHECK(eventually([&] {
    return gateway.errors().find("certificate_expired listener=edge cert=b.crt") != std::string::npos;
  }));
  CHECK(eventually([&] { return expiry("next.test"); }));
  CHECK((expiry("a.test") && !expiry("b.test")));
}

TEST_CASE("of two certificates of one name the metric tells of the one that ends first, in whichever order") {
  const std::vector<std::string> rsa = {"-newkey", "rsa:2048", "-days", "90"};
  for (const bool first : {true, false}) {
    Gateway gateway(
        route,
        [&](const TempDir& dir) {
          make(dir, "long", "api.test", rsa);
          make(dir, "short", "api.test");
        },
        first ? with("short", "long") : with("long", "short"));
    const std::string series =
        "\nsallyport_certificate_expiry_timestamp_seconds{listener=\"edge\",name=\"api.test\"} ";
    const std::string text = gateway.admin("/metrics").body;
    const size_t at = text.find(series);
    REQUIRE(at != std::string::npos);
    CHECK(std::strtod(text.c_str() + at + series.size(), nullptr) <
          static_cast<double>(time(nullptr) + 60L * 86400));
  }
}

TEST_CASE(
    "a client certificate that has ended opens no connection, also not by a ticket that it had before") {
  for (const std::string version : {"1.2", "1.3"}) {
    CAPTURE(version);
    const TempDir dir;
    sign_client(dir, "short.crt", "", std::time(nullptr) + 6);
    Gateway gateway(route, {}, asking_for_certificates());
    const auto connect = [&](const std::string& session) {
      return gateway.connect({.max_version = version,
                              .session = session,
                              .cert = dir.path("short.crt"),
                              .key = certificates().path("client.key")});
    };
    const auto first = connect("");
    REQUIRE(first->ask(get("/x")).status == 200);
    const std::string session = first->session();
    CHECK(eventually([&] { return connect(session)->ask(get("/x")).status == 0; }));
    CHECK(eventually([&] { return first->ask(get("/x")).status == 0; }));  // nor goes one on
  }
}

TEST_CASE("authorities of clients hold for each certificate of a listener, also once both are renewed") {
  const std::string c = certificates().path();
  GatewayOptions options = with("a", "b");
  options.edge_tls += ", client_certificates: { ca: ca.crt, mode: required }";
  const auto put_authority = [](const TempDir& dir, const std::string& name) {
    dir.write("ca.crt", certificates().read(name));
  };
  Gateway gateway(
      route,
      [&](const TempDir& dir) {
        make_both(dir);
        put_authority(dir, "ca.crt");
      },
      options);
  const auto status = [&](const std::string& name, ClientOptions who) {
    who.server_name = name;
    return gateway.connect(who)->ask(get("/x")).status;
  };
  const ClientOptions known{.cert = c + "/client.crt", .key = c + "/client.key"};
  for (const std::string name : {"a.test", "b.test"}) {
    CHECK(status(name, known) == 200);
    CHECK(status(name, {}) == 0);
  }
  replace_b(gateway, "renewed", "b.test");
  put_authority(gateway.dir(), "other.crt");
  CHECK(gateway.told("certificate_reloaded listener=edge file=ca.crt"));
  for (const std::string name : {"a.test", "b.test"}) CHECK(status(name, known) == 0);
}

TEST_CASE("a certificate that has ended and vouches for nobody, beside that of a client, ends nothing") {
  const TempDir dir;
  sign_client(dir, "old.crt", "200101000000Z", 1609459200);
  dir.write("chain.crt", certificates().read("client.crt") + dir.read("old.crt"));
  Gateway gateway(route, {}, asking_for_certificates());
  const auto client =
      gateway.connect({.cert = dir.path("chain.crt"), .key = certificates().path("client.key")});
  CHECK(client->ask(get("/x")).status == 200);
  CHECK(client->ask(get("/x")).status == 200);
}
