// What others than the operator may have written: configs, key files, key sets, and what a load balancer
// says.
#include "gateway/config/yaml.h"
#include "gateway/net/proxy_header.h"
#include "plugins/authenticate/api_key_file.h"
#include "plugins/authenticate/jwks.h"
#include "tests/cost/input.h"

namespace sallyport::cost {
namespace {

void add_yaml(Inputs& inputs) {
  const auto yaml = [&](const char* name, size_t size, std::function<std::string(size_t)> text) {
    inputs.push_back({name, size, [text](size_t n) -> Work {
                        return [written = text(n)] {
                          config::Problems problems;
                          config::DocumentLimits limits;
                          limits.nodes_max = 20'000;
                          config::parse_yaml(written, "cost.yaml", problems, limits);
                        };
                      }});
  };
  yaml("YAML: a list", 2'000, [](size_t n) { return times(n, "- a\n"); });
  yaml("YAML: a map", 2'000, [](size_t n) { return numbered(n, "k#: v\n"); });
  yaml("YAML: a key that is there twice, at the end", 2'000,
       [](size_t n) { return numbered(n, "k#: v\n") + "k100000: v\n"; });
  yaml("YAML: a list in brackets", 2'000, [](size_t n) { return "a: [" + times(n, "a, ") + "a]\n"; });
  yaml("YAML: too deep", 2'000, [](size_t n) { return times(n, "[") + times(n, "]"); });
  yaml("YAML: a long text", 20'000, [](size_t n) { return "a: \"" + times(n, "\\x41") + "\"\n"; });
  yaml("YAML: comments", 5'000, [](size_t n) { return times(n, "# a\n") + "a: b\n"; });
  yaml("YAML: aliases", 500, [](size_t n) { return "a: &a [x, x]\nb:\n" + times(n, "  - *a\n"); });
  yaml("YAML: aliases of aliases", 15, [](size_t n) {
    std::string text = "a100000: &a100000 [x, x]\n";
    for (size_t i = 1; i < n; ++i) {
      const std::string before = std::to_string(100'000 + i - 1), now = std::to_string(100'000 + i);
      text += "a" + now + ": &a" + now + " [*a" + before + ", *a" + before + "]\n";
    }
    return text;
  });
  inputs.push_back({"JSON of the operator: members", 2'000, [](size_t n) -> Work {
                      return [text = "{" + numbered(n, "\"k#\":1,") + "\"z\":1}"] {
                        config::Problems problems;
                        config::parse_json(text, "cost.json", problems);
                      };
                    }});
}

void add_key_files(Inputs& inputs) {
  const std::string entry =
      "  - { id: \"000000#\", client: acme, hash: \"sha256:" + std::string(64, '0') + "\" }\n";
  inputs.push_back({"key file: many keys", 500, [entry](size_t n) -> Work {
                      return [text = "version: 1\nkeys:\n" + numbered(n, entry)] {
                        config::Problems problems;
                        expect(
                            ApiKeyFile::parse_document(text, "keys.yaml", "keys.yaml", problems).has_value(),
                            problems.text());
                      };
                    }});
  const std::string key =
      R"({"kty":"OKP","crv":"Ed25519","kid":"#","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
  inputs.push_back({"key set: many keys", 30, [key](size_t n) -> Work {
                      return [text = R"({"keys":[)" + numbered(n, key + ",") + key + "]}"] {
                        (void)KeySet::parse(text);
                      };
                    }});
}

void add_proxy_headers(Inputs& inputs) {
  inputs.push_back({"PROXY header: more than its addresses", 900, [](size_t n) -> Work {
                      std::string header("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
                      const std::string rest = std::string("\x0a\0\0\1\x0a\0\0\2\0\x50\1\xbb", 12) +
                                               times(n / 4, std::string("\x04\0\1x", 4));
                      header += static_cast<char>(rest.size() >> 8);
                      header += static_cast<char>(rest.size());
                      return [text = header + rest] {
                        expect(net::parse_proxy_header(text).has_value(), "it is refused");
                      };
                    }});
  inputs.push_back({"PROXY header: a line without an end", 900, [](size_t n) -> Work {
                      return [text = "PROXY TCP4 " + std::string(n, '1')] {
                        for (size_t end = 1; end <= text.size(); end += 100)
                          (void)net::parse_proxy_header(Slice(text).substr(0, end));
                      };
                    }});
}

}  // namespace

void add_files(Inputs& inputs) {
  add_yaml(inputs);
  add_key_files(inputs);
  add_proxy_headers(inputs);
}

}  // namespace sallyport::cost
