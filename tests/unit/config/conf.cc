// conf/sallyport.yaml is the reference that users read: it has every key, and says the true default of each.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "gateway/config/show.h"
#include "gateway/config/yaml.h"
#include "tests/unit/config/load_support.h"

using namespace sallyport;
using namespace sallyport::config;
using namespace sallyport::config::testing;
namespace fs = std::filesystem;

namespace {

// conf/ copied, with the certificate that is not committed.
struct ConfCopy {
  Directory dir;
  ConfCopy() {
    fs::copy(SALLYPORT_SOURCE_DIR "/conf", dir.path(), fs::copy_options::recursive);
    dir.write("tls/tls.crt", "certificate");
    dir.write("tls/tls.key", "key");
    setenv("KEY_PEPPER", "pepper", 1);
    setenv("REDIS_PASSWORD", "hunter2", 1);
  }
  Loaded load_it(std::string_view file) const { return load(dir / file, plugin_keys); }
};

// An IO that gathers the paths of all keys: "listeners[].tls.min_version", "upstreams.*.targets".
class Keys {
 public:
  std::set<std::string> found;
  template <class T>
  void field(std::string_view key, T& value) {
    const std::string before = path_;
    path_ += (path_.empty() ? "" : ".") + std::string(key);
    found.insert(path_);
    look(value);
    path_ = before;
  }
  template <class T>
  void required(std::string_view key, T& value) {
    field(key, value);
  }
  // Of the whole config what is read elsewhere; of a block what it only refuses.
  void ignore(std::string_view key) {
    if (path_.empty()) found.insert(std::string(key));
  }

 private:
  template <class T>
  void look(T& value) {
    if constexpr (Described<T>) value.fields(*this);
  }
  template <class T>
  void look(std::optional<T>&) {
    T sample{};
    look(sample);
  }
  template <class T>
  void look(std::vector<T>&) {
    T sample{};
    path_ += "[]";
    look(sample);
  }
  template <class T>
  void look(Named<T>&) {
    T sample{};
    path_ += ".*";
    look(sample);
  }
  std::string path_;
};

void gather(const Node& node, const std::string& path, std::set<std::string>& found) {
  for (const Node& item : node.items) gather(item, path + "[]", found);
  for (const Node::Member& member : node.members) {
    const std::string here = (path.empty() ? "" : path + ".") + member.name;
    found.insert(here);
    gather(member.value, here, found);
    found.insert((path.empty() ? "" : path + ".") + "*");
    gather(member.value, (path.empty() ? "" : path + ".") + "*", found);
  }
}

// Every scalar of `defaults` that says something must be the same in `conf`.
void compare(const Node& conf, const Node& defaults, const std::string& path) {
  for (const Node::Member& member : defaults.members) {
    const std::string here = path + "." + member.name;
    CAPTURE(here);
    const Node* there = conf.find(member.name);
    REQUIRE(there != nullptr);
    if (member.value.is_map()) {
      compare(*there, member.value, here);
    } else if (member.value.is_scalar() && !member.value.text.empty()) {
      CHECK(there->text == member.value.text);
    }
  }
}

template <class T>
Node node_of(const T& value) {
  T copy = value;
  Writer writer;
  writer.value(copy);
  return writer.take();
}

template <class T>
void says_the_defaults(const T& shown, const T& fresh, const std::string& path) {
  compare(node_of(shown), node_of(fresh), path);
}

std::string content(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("conf/sallyport.yaml has every key of the model") {
  const ConfCopy conf;
  const Loaded loaded = conf.load_it("sallyport.yaml");
  REQUIRE(loaded.problems.text() == "");
  std::set<std::string> there;
  gather(*loaded.document, "", there);

  Model sample;
  sample.stores.redis.emplace_back("*", Store{});
  Keys keys;
  sample.fields(keys);
  Match match;
  Keys match_keys;
  match.fields(match_keys);
  for (const std::string& key : match_keys.found) keys.found.insert("routes[].match." + key);
  CHECK(keys.found.contains("listeners[].tls.certificates[].cert"));  // the gathering itself works
  CHECK(keys.found.contains("stores.*.tls.verify"));
  for (const std::string& key : keys.found) {
    CAPTURE(key);
    CHECK(there.contains(key));
  }
}

TEST_CASE("conf/sallyport.yaml says the true defaults") {
  const ConfCopy conf;
  const Loaded loaded = conf.load_it("sallyport.yaml");
  REQUIRE(loaded.good());
  const Model& model = *loaded.model;
  CHECK(model.workers.automatic);
  says_the_defaults(model.http, Http{}, "http");
  says_the_defaults(model.log, Log{}, "log");
  says_the_defaults(model.shutdown, Shutdown{}, "shutdown");
  says_the_defaults(model.stores.memory, MemoryStore{}, "stores.memory");
  REQUIRE(model.store("redis") != nullptr);
  says_the_defaults(*model.store("redis"), Store{}, "stores.redis");
  REQUIRE(model.upstream("orders") != nullptr);
  says_the_defaults(*model.upstream("orders"), Upstream{}, "upstreams.orders");
  REQUIRE(model.listeners.size() == 3);
  REQUIRE(model.listeners[0].tls);
  says_the_defaults(*model.listeners[0].tls, ListenerTls{}, "listeners[0].tls");
  CHECK(model.listeners[1].redirect == Redirect::https);
  CHECK(model.listeners[2].plaintext);
}

TEST_CASE("conf/sallyport.yaml uses every plugin, and is shown without its secrets") {
  const ConfCopy conf;
  const Loaded loaded = conf.load_it("sallyport.yaml");
  REQUIRE(loaded.good());
  for (std::string_view key : plugin_keys) {
    CAPTURE(key);
    CHECK(
        std::ranges::any_of(loaded.model->routes, [&](const Route& r) { return r.plugin(key) != nullptr; }));
  }
  CHECK_FALSE(contains(show(*loaded.model), "hunter2"));
}

TEST_CASE("every example loads, names the files that are there, and says first what it is for") {
  const ConfCopy conf;
  int examples = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(conf.dir / "examples")) {
    const std::string file = "examples/" + entry.path().filename().string();
    CAPTURE(file);
    const Loaded loaded = conf.load_it(file);
    CHECK(loaded.problems.text() == "");
    CHECK(content(entry.path()).starts_with("# "));
    CHECK(load_text(show(*loaded.model), file, loaded.directory, plugin_keys).problems.text() == "");
    ++examples;
  }
  CHECK(examples == 6);
}

TEST_CASE("nothing secret is committed below conf") {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(SALLYPORT_SOURCE_DIR "/conf")) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().string());
    const std::string text = content(entry.path());
    CHECK_FALSE(contains(text, "PRIVATE KEY"));
    CHECK_FALSE(contains(text, "\"d\":"));  // the private part of a JWK
    CHECK_FALSE(contains(text, "sp_"));     // an API key
  }
}
