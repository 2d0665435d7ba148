// What alerts and dashboards ask for, asked of a gateway to which nothing has happened yet.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "tests/support/gateway.h"
#include "tests/support/origin.h"

using namespace sallyport::test;

namespace {

std::string file(const std::string& name) {
  std::ifstream in(std::string(SALLYPORT_SOURCE_DIR) + "/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

// True if there is a series of that name whose labels fit `wanted`: a="b",c=~"d".
bool has_series(const std::string& metrics, const std::string& name, const std::string& wanted) {
  static const std::regex matcher(R"re((\w+)(=~|!=|=)"([^"]*)")re");
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
    bool fits = true;
    for (std::sregex_iterator at(wanted.begin(), wanted.end(), matcher), end; at != end; ++at) {
      const std::string label = (*at)[1], how = (*at)[2], value = (*at)[3];
      if (label == "instance") continue;  // Prometheus' own
      std::smatch found;
      fits = fits && std::regex_search(line, found, std::regex("[{,]" + label + "=\"([^\"]*)\""));
      if (!fits) break;
      fits = how == "=~"   ? std::regex_match(found[1].str(), std::regex(value))
             : how == "!=" ? found[1] != value
                           : found[1] == value;
    }
    if (fits) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("every series that an alert or the dashboard uses is there before anything happens") {
  const std::string dead = std::to_string(free_port());
  Gateway gateway(
      "stores: { shared: { url: \"redis://127.0.0.1:" + dead +
          "\" } }\nlimits: { few: { rate: 5/1h, by: ip, store: shared } }\n"
          "upstreams: { web: { targets: [\"http://127.0.0.1:" +
          dead +
          "\"] } }\nauthenticators: { keys: { type: api_key, file: keys.yaml } }\nroutes:\n"
          "  - { name: x, match: { path: /x, methods: [POST] }, authenticate: { any_of: [keys] }, limit: "
          "[few], forward: { to: web } }\n",
      [](const TempDir& dir) {
        run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "c"});
      });
  const std::string metrics = gateway.admin("/metrics").body;
  std::string asked = file("deploy/prometheus/alerts.yaml") + file("deploy/grafana/sallyport.json");
  asked = std::regex_replace(asked, std::regex(R"(\\")"), "\"");  // of JSON
  static const std::regex series(R"((sallyport_\w+)(\{([^}]*)\})?)");
  int count = 0;
  for (std::sregex_iterator at(asked.begin(), asked.end(), series), end; at != end; ++at, ++count) {
    INFO(at->str());
    CHECK(has_series(metrics, (*at)[1], (*at)[3]));
  }
  CHECK(count > 20);
}

TEST_CASE("what a reload takes from the config goes from the gauges") {
  Origin origin;
  const std::string route = "  - { name: x, match: { path: /x }, authenticate: public, ";
  Gateway gateway("upstreams: { web: { targets: [\"" + origin.target() + "\"] } }\nroutes:\n" + route +
                      "forward: { to: web } }\n",
                  {}, {.more_listeners = "  - { name: extra, address: \"127.0.0.1:0\", plaintext: true }\n"});
  CHECK(gateway.ask(get("/x")).status == 200);
  CHECK(gateway.has_metric(R"(sallyport_connections{listener="extra"} 0)"));
  CHECK(gateway.has_metric(R"(sallyport_upstream_connections{state="idle",upstream="web"} 1)"));
  gateway.rewrite_config("routes:\n" + route + "respond: { status: 204 } }\n");
  gateway.reload();
  CHECK(eventually([&] { return gateway.ask(get("/x")).status == 204; }));
  CHECK(eventually([&] {
    const std::string metrics = gateway.admin("/metrics").body;
    return metrics.find("sallyport_connections{listener=\"extra\"}") == std::string::npos &&
           metrics.find("sallyport_upstream_connections{") == std::string::npos;
  }));
  const std::string counted = R"(sallyport_upstream_requests_total{outcome="success",upstream="web"} )";
  CHECK(gateway.admin("/metrics").body.find(counted) != std::string::npos);
}
