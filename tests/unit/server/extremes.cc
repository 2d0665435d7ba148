// Every key that is a number, a duration, a size or a rate, at the ends of what can be written: `check`
// refuses it where it stands, or it is in force as it was written.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/units.h"
#include "gateway/config/yaml.h"
#include "gateway/server/server.h"
#include "tests/support/conf.h"

using namespace sallyport;
using config::Node;
using test::Conf;

namespace {

constexpr std::array<std::string_view, 12> numbers = {"0",
                                                      "1",
                                                      "2",
                                                      "65535",
                                                      "65536",
                                                      "4294967295",
                                                      "4294967296",
                                                      "9223372036854775807",
                                                      "9223372036854775808",
                                                      "18446744073709551615",
                                                      "18446744073709551616",
                                                      "-1"};
constexpr std::array<std::string_view, 10> durations = {"0s",
                                                        "1ns",
                                                        "1us",
                                                        "1s",
                                                        "24h",
                                                        "366d",
                                                        "36500d",
                                                        "36501d",
                                                        "9223372036854775808ns",
                                                        "99999999999999999999d"};
constexpr std::array<std::string_view, 8> sizes = {"0B",
                                                   "1B",
                                                   "1KiB",
                                                   "256MiB",
                                                   "1048576GiB",
                                                   "1048577GiB",
                                                   "18446744073709551615B",
                                                   "99999999999999999999GiB"};
constexpr std::array<std::string_view, 9> rates = {"0/1s",
                                                   "1/1ns",
                                                   "1/1us",
                                                   "1000000/1s",
                                                   "1/366d",
                                                   "1/36500d",
                                                   "1000000000000/366d",
                                                   "18446744073709551615/1s",
                                                   "1/0s"};

std::span<const std::string_view> extremes_of(const Node& node) {
  if (node.kind == Node::Kind::integer) return numbers;
  if (node.kind != Node::Kind::string) return {};
  if (parse_duration(node.text)) return durations;
  if (parse_bytes(node.text)) return sizes;
  if (parse_rate(node.text)) return rates;
  return {};
}

// Where a value stands in a document: which child, then which of that.
using Place = std::vector<size_t>;

void gather(const Node& node, Place& here, const std::string& key,
            const std::function<void(const Node&, const Place&, const std::string&)>& each) {
  if (node.is_scalar()) return each(node, here, key);
  for (size_t i = 0; i < node.items.size() + node.members.size(); ++i) {
    here.push_back(i);
    if (i < node.items.size())
      gather(node.items[i], here, key, each);
    else
      gather(node.members[i].value, here, node.members[i].name, each);
    here.pop_back();
  }
}

Node* at(Node& root, const Place& place) {
  Node* node = &root;
  for (const size_t i : place) {
    if (i >= node->items.size() + node->members.size()) return nullptr;
    node = i < node->items.size() ? &node->items[i] : &node->members[i].value;
  }
  return node;
}

std::string text_of(const Node& node) {
  config::Writer writer;
  writer.value(std::make_shared<const Node>(node));
  return writer.text();
}

Node parsed(const std::string& text) {
  config::Problems problems;
  const auto node = config::parse_yaml(text, "t.yaml", problems);
  REQUIRE(node != nullptr);
  return *node;
}

bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  if (parse_duration(a) && parse_duration(b)) return parse_duration(a).value() == parse_duration(b).value();
  if (parse_bytes(a) && parse_bytes(b)) return parse_bytes(a).value() == parse_bytes(b).value();
  return parse_rate(a) && parse_rate(b) && parse_rate(a).value() == parse_rate(b).value();
}

std::string line_of(const std::string& text, uint32_t line) {
  std::istringstream in(text);
  std::string found;
  for (uint32_t i = 0; i < line; ++i) std::getline(in, found);
  return found;
}

}  // namespace

TEST_CASE(
    "every number, duration, size and rate of the config: refused where it stands, or in force as written") {
  const Conf conf;
  const auto files = conf.files();  // of these, sallyport.yaml has every key
  const Conf::File file = *std::ranges::find(files, "sallyport.yaml", &Conf::File::name);
  const test::Checked whole = Conf::check(file.text, file.directory);
  REQUIRE(whole.problems.text() == "");
  const Node shown = parsed(server::effective_config(*whole.generation));
  size_t keys = 0, accepted = 0;
  Place here;
  gather(shown, here, "", [&](const Node& value, const Place& place, const std::string& key) {
    const auto extremes = key == "workers" ? std::span<const std::string_view>(numbers) : extremes_of(value);
    keys += extremes.empty() ? 0 : 1;
    for (const std::string_view extreme : extremes) {
      CAPTURE(key);
      CAPTURE(extreme);
      Node changed = shown;
      at(changed, place)->text = extreme;
      if (key == "workers") at(changed, place)->kind = Node::Kind::integer;
      const std::string text = text_of(changed);
      const test::Checked checked = Conf::check(text, file.directory);
      if (checked.generation == nullptr) {
        REQUIRE_FALSE(checked.problems.empty());
        // At the key, or at one that does not go with it and says so.
        const config::Problem& problem = checked.problems.all().front();
        const std::string told = line_of(text, problem.mark.line) + problem.message;
        CHECK(told.find(key) != std::string::npos);
        continue;
      }
      ++accepted;
      Node effective = parsed(server::effective_config(*checked.generation));
      const Node* now = at(effective, place);
      REQUIRE(now != nullptr);
      CHECK(same_value(now->text, std::string(extreme)));
    }
  });
  CHECK(keys > 40);
  CHECK(accepted > 120);
}
