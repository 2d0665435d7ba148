// Configs that somebody has broken: every file of conf/, mutated 10,000 times in all. `check` says what is
// wrong, or that it is good; nothing else comes of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/server/server.h"
#include "tests/support/conf.h"

using namespace sallyport;
using test::Conf;

namespace {

constexpr int mutants = 10'000;

// What is put where a value was: empty, blank, of another kind, extreme, or like something else.
constexpr std::array<std::string_view, 64> values = {"",
                                                     "~",
                                                     "\"\"",
                                                     "\" \"",
                                                     "[]",
                                                     "{}",
                                                     "[[]]",
                                                     "[~]",
                                                     "{ a: 1 }",
                                                     "[a, a]",
                                                     "[\"\"]",
                                                     "true",
                                                     "false",
                                                     "0",
                                                     "-0",
                                                     "1",
                                                     "-1",
                                                     "1.5",
                                                     "1e308",
                                                     "1e999",
                                                     "65536",
                                                     "4294967296",
                                                     "9223372036854775807",
                                                     "18446744073709551615",
                                                     "18446744073709551616",
                                                     "0s",
                                                     "1ns",
                                                     "36500d",
                                                     "99999999999999999999d",
                                                     "0B",
                                                     "1048576GiB",
                                                     "0/1s",
                                                     "1/0s",
                                                     "1/1ns",
                                                     "1/366d",
                                                     "1000000000000/1s",
                                                     "off",
                                                     "shadow",
                                                     "public",
                                                     "memory",
                                                     "redis",
                                                     "rediss",
                                                     "header:",
                                                     "claim:",
                                                     "env:",
                                                     "env:NO_SUCH",
                                                     "file:",
                                                     "file:/nonexistent",
                                                     "/",
                                                     "..",
                                                     "//",
                                                     "\"/{rest...}\"",
                                                     "\"/{a...}/b\"",
                                                     "\"/{a}/{a}\"",
                                                     "\"{\"",
                                                     "http://",
                                                     "\"http://[::1\"",
                                                     "\"rediss://:0/65536\"",
                                                     "127.0.0.1:99999",
                                                     "\"\\x00\"",
                                                     "\"\\r\\nX: 1\"",
                                                     "\"\xc3\x28\"",
                                                     "\"#/$defs/x\"",
                                                     "{ $ref: \"#\" }"};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("_-./:$*@%+\"").contains(c);
}

class Mutator {
 public:
  explicit Mutator(const std::string& text) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines_.push_back(line.substr(0, line.find("  #")));
    std::erase_if(lines_, [](const std::string& l) { return l.empty() || l.starts_with('#'); });
  }

  std::string mutant(std::mt19937& random) {
    std::vector<std::string> lines = lines_;
    const auto pick = [&](size_t n) { return n == 0 ? 0 : random() % n; };
    for (size_t i = 1 + pick(3); i > 0 && !lines.empty(); --i) {
      const size_t at = pick(lines.size()), other = pick(lines.size());
      switch (pick(9)) {
        case 0:
          lines.erase(lines.begin() + static_cast<ptrdiff_t>(at));
          break;
        case 1:
          lines.insert(lines.begin() + static_cast<ptrdiff_t>(other), std::string(lines[at]));
          break;
        case 2:
          std::swap(lines[at], lines[other]);
          break;
        case 3:  // all of a line's value
          lines[at] =
              lines[at].substr(0, lines[at].find(": ")) + ": " + std::string(values[pick(values.size())]);
          break;
        case 4:  // the indentation
          lines[at] = std::string(pick(4), ' ') + lines[at].substr(lines[at].find_first_not_of(' '));
          break;
        default:  // a word by a value, by nothing, or by one from elsewhere
          replace_word(lines[at], pick,
                       pick(3) == 0 ? word_of(lines[other], pick) : std::string(values[pick(values.size())]));
      }
    }
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
  }

 private:
  struct Place {
    size_t begin, size;
  };
  static std::vector<Place> words_of(const std::string& line) {
    std::vector<Place> words;
    for (size_t at = 0; at < line.size();) {
      size_t end = at;
      while (end < line.size() && is_word(line[end])) ++end;
      if (end > at) words.push_back({at, end - at - (line[end - 1] == ':' ? 1 : 0)});
      at = end + 1;
    }
    return words;
  }
  template <class Pick>
  static std::string word_of(const std::string& line, Pick& pick) {
    const auto words = words_of(line);
    if (words.empty()) return "";
    const Place place = words[pick(words.size())];
    return line.substr(place.begin, place.size);
  }
  template <class Pick>
  static void replace_word(std::string& line, Pick& pick, const std::string& by) {
    const auto words = words_of(line);
    if (words.empty()) return;
    const Place place = words[pick(words.size())];
    line.replace(place.begin, place.size, by);
  }

  std::vector<std::string> lines_;
};

// Line and column, of the config or of a file that it names.
bool all_have_places(const config::Problems& problems) {
  const auto has = [](const config::Problem& p) { return p.mark.file != nullptr && p.mark.line > 0; };
  return std::ranges::all_of(problems.all(), has) && std::ranges::all_of(problems.warnings(), has);
}

// What a worker makes of it; with a Redis it would connect.
void build(const std::shared_ptr<server::Generation>& generation) {
  if (!generation->model().stores.redis.empty()) return;
  Loop loop;
  net::Resolver resolver(loop);
  Cache process, worker;
  observe::Metrics metrics;
  const auto world = server::build_world(generation, {0, loop, resolver, process, worker, metrics, nullptr});
  REQUIRE(world->all.size() == generation->model().routes.size());
}

}  // namespace

TEST_CASE("every config of conf/ is good as it stands") {
  const Conf conf;
  CHECK(conf.files().size() == 7);
  for (const Conf::File& file : conf.files()) {
    CAPTURE(file.name);
    const test::Checked checked = Conf::check(file.text, file.directory);
    CHECK(checked.generation != nullptr);
    CHECK(checked.problems.text() == "");
  }
}

TEST_CASE("a config that is broken in any way is refused with a reason, or is good") {
  const Conf conf;
  const auto files = conf.files();
  std::mt19937 random(20261127);  // the same ones each time
  int good = 0;
  for (const Conf::File& file : files) {
    Mutator mutator(file.text);
    for (size_t i = 0; i < mutants / files.size() + 1; ++i) {
      const std::string text = mutator.mutant(random);
      CAPTURE(text);
      const test::Checked checked = Conf::check(text, file.directory);
      REQUIRE_FALSE(checked.refused_without_a_word());
      CAPTURE(checked.problems.text());
      CHECK(all_have_places(checked.problems));
      REQUIRE((checked.generation == nullptr) == !checked.problems.empty());
      if (checked.generation == nullptr) continue;
      ++good;
      build(checked.generation);
      // What is in force is shown, and shown it means the same.
      const std::string shown = server::effective_config(*checked.generation);
      const test::Checked again = Conf::check(shown, file.directory);
      CAPTURE(shown);
      CAPTURE(again.problems.text());
      REQUIRE(again.generation != nullptr);
      REQUIRE(server::effective_config(*again.generation) == shown);
    }
  }
  CHECK(good > mutants / 50);  // neither is everything refused,
  CHECK(good < mutants / 2);   // nor nothing
}
