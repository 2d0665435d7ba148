// `sallyport keys`: what it does to a key file, and what it refuses to do.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/gateway.h"

using namespace sallyport::test;
namespace fs = std::filesystem;

namespace {

constexpr int64_t day_s = 86400;

// `sallyport keys` on one file, with a clock of its own.
class Keys {
 public:
  explicit Keys(const TempDir& dir, std::string file = "keys.yaml") : dir_(dir), file_(dir.path(file)) {
    at_day(0);
  }
  void at_day(int64_t day) {
    const int64_t shift = day * day_s * 1'000'000'000;
    dir_.write("clock", std::string(reinterpret_cast<const char*>(&shift), sizeof shift));
  }
  // Whoever may do anything to files but give them to somebody else: a user in these groups.
  void as_user(const std::string& id, const std::string& groups = "") {
    prefix_ = {"setpriv", "--reuid", id, "--regid", id};
    if (groups.empty())
      prefix_.emplace_back("--clear-groups");
    else
      prefix_.insert(prefix_.end(), {"--groups", groups});
    prefix_.insert(prefix_.end(), {"--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"});
  }
  void within(const std::string& seconds) { prefix_ = {"timeout", seconds}; }
  // to: where a shell sends what it prints, such as ">/dev/full".
  Finished operator()(std::vector<std::string> words, const std::string& to = "") const {
    words.insert(words.begin(), {binary(), "keys"});
    words.insert(words.begin(), prefix_.begin(), prefix_.end());
    words.insert(words.end(), {"--file", file_});
    if (!to.empty()) words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$@\" " + to, "sh"});
    return run(words,
               {{"SALLYPORT_TEST_CLOCK", dir_.path("clock")}, {"PEPPER", "one"}, {"OTHER", "another"}});
  }
  // The id of a new key.
  std::string create(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"create", "--client", "acme"});
    const Finished done = (*this)(more);
    CHECK(done.status == 0);
    return done.out.size() > 15 ? done.out.substr(3, 12) : "";
  }
  void refuses(std::vector<std::string> words, const std::string& why, int status = 2) const {
    const std::string before = fs::exists(file_) ? dir_.read(fs::path(file_).filename()) : "";
    const Finished done = (*this)(std::move(words));
    CAPTURE(why);
    CHECK(done.status == status);
    CHECK(done.out == "");
    CHECK_MESSAGE(done.err.find(why) != std::string::npos, done.err);
    CHECK((fs::exists(file_) ? dir_.read(fs::path(file_).filename()) : "") == before);
  }
  // A time of the key's entry, in Unix seconds; 0: it has none.
  int64_t time_of(const std::string& id, const std::string& name) const {
    const std::string all = dir_.read(fs::path(file_).filename());
    const size_t from = all.find(id), to = std::min(all.find("  - id", from), all.size());
    const size_t at = all.find(name + ": ", from);
    if (at >= to) return 0;
    std::tm time{};
    strptime(all.c_str() + all.find('2', at), "%Y-%m-%dT%H:%M:%SZ", &time);
    return timegm(&time);
  }

 private:
  const TempDir& dir_;
  std::string file_;
  std::vector<std::string> prefix_;
};

// Who may read a file, and how.
struct Access {
  uid_t owner = 0;
  gid_t group = 0;
  mode_t mode = 0;
  std::string acl;
  explicit Access(const std::string& path) : acl(1024, 0) {
    struct stat about{};
    REQUIRE(stat(path.c_str(), &about) == 0);
    owner = about.st_uid;
    group = about.st_gid;
    mode = about.st_mode;
    acl.resize(
        static_cast<size_t>(std::max<ssize_t>(getxattr(path.c_str(), acl_name, acl.data(), acl.size()), 0)));
  }
  bool operator==(const Access&) const = default;
  static constexpr const char* acl_name = "system.posix_acl_access";
};

// A POSIX ACL as the system keeps it: the owner reads and writes, user 3003 reads, nobody else does.
std::string acl_for_reader() {
  struct Entry {
    uint16_t tag, permissions;
    uint32_t id;
  };
  constexpr uint32_t none = ~uint32_t{0}, version = 2;
  const std::array<Entry, 5> entries = {
      Entry{1, 6, none}, {2, 4, 3003}, {4, 0, none}, {0x10, 4, none}, {0x20, 0, none}};
  return std::string(reinterpret_cast<const char*>(&version), sizeof version) +
         std::string(reinterpret_cast<const char*>(entries.data()), sizeof entries);
}

}  // namespace

TEST_CASE("keys: whoever may read the file may read what takes its place, or nothing is changed") {
  const TempDir dir;
  Keys keys(dir);
  const std::string id = keys.create(), file = dir.path("keys.yaml");
  chmod(file.c_str(), 0640);
  if (chown(file.c_str(), 3001, 3000) != 0) return;  // not root
  const Access before(file);
  const std::vector<std::vector<std::string>> commands = {
      {"create", "--client", "b"}, {"rotate", "--id", id}, {"revoke", "--id", id}};
  for (const auto& [user, groups] : {std::pair("3002", "3000"), std::pair("3001", "")}) {
    keys.as_user(user, groups);
    for (const std::vector<std::string>& words : commands) {
      keys.refuses(words, "the same owner and group (Operation not permitted)", 1);
      keys.refuses(words, "run this as user 3001 in the group 3000, or as root", 1);
      CHECK(Access(file) == before);
    }
    CHECK_FALSE(fs::exists(dir.path("keys.yaml.new")));
  }
  keys.as_user("3001", "3000");
  CHECK(keys({"rotate", "--id", id}).status == 0);
  CHECK(Access(file) == before);
}

TEST_CASE("keys: a file of several names is not changed under one of them") {
  const TempDir dir;
  const Keys keys(dir);
  const std::string id = keys.create();
  fs::create_hard_link(dir.path("keys.yaml"), dir.path("other.yaml"));
  keys.refuses({"revoke", "--id", id}, "has 2 names (hard links)", 1);
  CHECK(dir.read("other.yaml") == dir.read("keys.yaml"));
  fs::remove(dir.path("other.yaml"));
  CHECK(keys({"revoke", "--id", id}).status == 0);
}

TEST_CASE("keys: a revocation does not wait for who reads a new key") {
  const TempDir dir;
  Keys keys(dir);
  const std::string id = keys.create(), pipe = dir.path("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const int fd = open(pipe.c_str(), O_RDWR | O_NONBLOCK);
  const std::string some(4096, 'x');
  while (write(fd, some.data(), some.size()) > 0) {
  }
  std::thread made([&] { keys({"create", "--client", "slow"}, "> " + pipe); });
  CHECK(eventually([&] { return dir.read("keys.yaml").find("slow") != std::string::npos; }));
  Keys other(dir);
  other.within("20");
  CHECK(other({"revoke", "--id", id}).status == 0);
  std::string read_off(1 << 20, '\0');
  CHECK(read(fd, read_off.data(), read_off.size()) > 0);
  made.join();
  close(fd);
}

TEST_CASE("keys: a file's POSIX ACL stays, and one of its directory's does not come") {
  const TempDir dir;
  const Keys keys(dir);
  const std::string id = keys.create(), file = dir.path("keys.yaml"), acl = acl_for_reader();
  chmod(file.c_str(), 0644);
  const Access without(file);
  CHECK(without.acl == "");
  if (setxattr(file.c_str(), Access::acl_name, acl.data(), acl.size(), 0) != 0) return;  // none here
  const Access with(file);
  CHECK(with.acl == acl);
  CHECK(keys({"rotate", "--id", id}).status == 0);
  CHECK(Access(file) == with);
  REQUIRE(removexattr(file.c_str(), Access::acl_name) == 0);
  chmod(file.c_str(), 0644);
  REQUIRE(setxattr(dir.path().c_str(), "system.posix_acl_default", acl.data(), acl.size(), 0) == 0);
  CHECK(keys({"revoke", "--id", id}).status == 0);
  CHECK(Access(file) == without);
}

TEST_CASE("keys: a file behind a symbolic link is changed where it is, and the link stays one") {
  const TempDir dir;
  fs::create_directory(dir.path("real"));
  fs::create_symlink("real/keys.yaml", dir.path("keys.yaml"));
  const Keys keys(dir);
  keys.refuses({"create", "--client", "acme"}, "link to a file that is not there", 1);
  dir.write("real/keys.yaml", "version: 1\nkeys: []\n");
  const std::string id = keys.create();
  CHECK(keys({"revoke", "--id", id}).status == 0);
  CHECK(fs::is_symlink(dir.path("keys.yaml")));
  CHECK_FALSE(fs::is_symlink(dir.path("real/keys.yaml")));
  CHECK(dir.read("real/keys.yaml").find("revoked: ") != std::string::npos);
}

TEST_CASE("keys: a file of a Kubernetes volume, and one of JSON, are told to be changed elsewhere") {
  const TempDir dir;
  fs::create_directory(dir.path("..2026_01_02"));
  fs::create_symlink("..2026_01_02", dir.path("..data"));
  fs::create_symlink("..data/keys.yaml", dir.path("keys.yaml"));
  dir.write("..2026_01_02/keys.yaml", "version: 1\nkeys: []\n");
  const Keys keys(dir);
  keys.refuses({"create", "--client", "acme"}, "change the Secret or the ConfigMap", 1);
  CHECK(keys({"list"}).status == 0);
  dir.write("keys.json", R"({"version": 1, "keys": []})");
  const Keys json(dir, "keys.json");
  json.refuses({"create", "--client", "acme"}, "give it another name", 1);
}

TEST_CASE("keys: names that a backend could misread are refused, and keys that would never be good") {
  const TempDir dir;
  const Keys keys(dir);
  for (const std::string client :
       {"", " acme", "acme ", "a\r\nX-Client-Roles: admin", "a\tb", "a\x7f", "a\xff"})
    keys.refuses({"create", "--client", client}, "client");
  keys.refuses({"create", "--client", "a", "--roles", "a b"}, "role");
  keys.refuses({"create", "--client", "a", "--roles", "a,b\n"}, "role");
  keys.refuses({"create", "--client", "a", "--scopes", "x y"}, "scope");
  keys.refuses({"create", "--client", "a", "--roles", "a,,b"}, "the role \"\" is empty");
  keys.refuses({"create", "--client", "a", "--roles", "a", "--roles", "b,"}, "the role \"\" is empty");
  keys.refuses({"create", "--client", "a", "--scopes", ",x"}, "the scope \"\" is empty");
  for (const char* expires : {"80000d", "9999-12-31T23:59:59Z"})
    keys.refuses({"create", "--client", "a", "--expires", expires}, "36500d at most) nor a time such as");
  for (const char* expires : {"0", "0s", "2020-01-01T00:00:00Z", "", "9999-12-31T23:59:59Z", "soon"})
    keys.refuses({"create", "--client", "a", "--expires", expires}, "--expires");
  keys.refuses({"create", "--client", "a", "--expires", "1d", "--not-before", "2d"}, "never be good");
  CHECK_FALSE(fs::exists(dir.path("keys.yaml")));
  keys.create({"--expires", "never"});
  keys.create({"--roles", "a,b", "--roles", "c", "--scopes", "x,y", "--not-before", "1d", "--expires", "2d"});
  CHECK(keys({"list"}).out.find("a,b,c x y") != std::string::npos);
}

TEST_CASE("keys: rotate keeps the old key's term, and wakes no dead one") {
  const TempDir dir;
  Keys keys(dir);
  const std::string month = keys.create({"--expires", "30d"}), ever = keys.create();
  const std::string dead = keys.create(), later = keys.create({"--not-before", "20d", "--expires", "30d"});
  keys({"revoke", "--id", dead});
  keys.refuses({"rotate", "--id", dead}, "is revoked", 1);
  const int64_t made = keys.time_of(month, "created");
  CHECK(keys.time_of(month, "expires") == made + 30 * day_s);
  keys.at_day(10);
  const auto rotated = [&](std::vector<std::string> more) {
    more.insert(more.begin(), "rotate");
    return keys(more).out.substr(3, 12);
  };
  const std::string next = rotated({"--id", month});
  CHECK(keys.time_of(next, "expires") == keys.time_of(next, "created") + 30 * day_s);
  CHECK(keys.time_of(month, "expires") == keys.time_of(next, "created") + day_s);
  CHECK(keys.time_of(rotated({"--id", ever}), "expires") == 0);
  CHECK(keys.time_of(rotated({"--id", next, "--expires", "never"}), "expires") == 0);
  const std::string waits = rotated({"--id", later});  // not good any sooner than the one before
  CHECK(keys.time_of(waits, "not_before") == keys.time_of(later, "not_before"));
  CHECK(keys.time_of(waits, "expires") == keys.time_of(later, "not_before") + 10 * day_s);
  keys.refuses({"rotate", "--id", waits, "--expires", "1d"}, "never be good");
  keys.at_day(100);
  keys.refuses({"rotate", "--id", next}, "is expired", 1);
}

TEST_CASE("keys: another pepper than that of the file's keys is noticed, by the gateway as well") {
  const TempDir dir;
  const Keys keys(dir);
  const std::string id = keys.create({"--pepper", "env:PEPPER"});
  keys.refuses({"rotate", "--id", id, "--pepper", "env:OTHER"}, "made with another one");
  keys.refuses({"create", "--client", "a", "--pepper", "env:OTHER"}, "made with another one");
  keys.refuses({"create", "--client", "a"}, "give --pepper");
  CHECK(keys({"rotate", "--id", id, "--pepper", "env:PEPPER"}).status == 0);
  const auto check = [&](const std::string& pepper) {
    const std::string config =
        dir.write("gateway.yaml",
                  "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n"
                  "authenticators: { k: { type: api_key, file: keys.yaml, pepper: env:PEPPER } }\n"
                  "routes: [ { name: x, match: { path: /x }, authenticate: { any_of: [k] }, respond: { "
                  "status: 200 } } ]\n");
    return run({binary(), "check", config}, {{"PEPPER", pepper}});
  };
  CHECK(check("one").status == 0);
  const Finished wrong = check("another");
  CHECK(wrong.status == 78);
  CHECK(wrong.err.find("keys.yaml: its keys were made with another pepper") != std::string::npos);
}

TEST_CASE("keys: a key without a pepper is rotated to one with the pepper of its file") {
  const TempDir dir;
  const Keys keys(dir);
  const std::string plain = keys.create(), alone = keys.create();
  CHECK(keys({"rotate", "--id", alone}).status == 0);  // nobody has a pepper yet
  const Finished next = keys({"rotate", "--id", plain, "--pepper", "env:PEPPER"});
  CHECK(next.status == 0);
  CHECK(next.err.find("with the pepper, which the authenticator must name as well") != std::string::npos);
  CHECK(dir.read("keys.yaml").find("pepper_check: ") != std::string::npos);
  keys.refuses({"rotate", "--id", alone}, "give --pepper");
  keys.refuses({"rotate", "--id", alone, "--pepper", "env:OTHER"}, "made with another one");
  CHECK(keys({"rotate", "--id", alone, "--pepper", "env:PEPPER"}).status == 0);
}

TEST_CASE("keys: made without the pepper that the authenticator names, they are good, and that is told") {
  const TempDir dir;
  const Keys keys(dir);
  const Finished plain = keys({"create", "--client", "acme"});
  CHECK(plain.err.find("without a pepper: where the authenticator names one, give it as --pepper") !=
        std::string::npos);
  const auto check = [&] {
    const std::string config = dir.write(
        "gateway.yaml",
        "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n"
        "authenticators: { k: { type: api_key, file: keys.yaml, pepper: env:PEPPER } }\nroutes: []\n");
    return run({binary(), "check", config}, {{"PEPPER", "one"}});
  };
  CHECK(check().err.find("gateway.yaml:3:45: warning: 1 of 1 keys in keys.yaml were made without --pepper") !=
        std::string::npos);
  const Finished peppered = keys({"create", "--client", "acme", "--pepper", "env:PEPPER"});
  CHECK(peppered.err.find("with the pepper, which the authenticator must name as well") != std::string::npos);
  CHECK(check().err.find("1 of 2 keys in keys.yaml") != std::string::npos);
  CHECK(check().status == 0);
}

TEST_CASE("a key file, and an authenticator, are refused at load for what a backend would misread") {
  const TempDir dir;
  const std::string hash = "sha256:" + std::string(64, 'a');
  const auto check = [&](const std::string& client, const std::string& authenticator = "",
                         const std::string& any_of = "k") {
    dir.write("keys.yaml", "version: 1\nkeys:\n  - id: k000000000g0\n    client: " + client +
                               "\n    hash: " + hash + "\n");
    return run(
        {binary(), "check",
         dir.write("gateway.yaml",
                   "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n"
                   "authenticators:\n  k: { type: api_key, file: keys.yaml" +
                       authenticator +
                       " }\n  other: { type: api_key, file: keys.yaml, header: X-Api-KEY }\n"
                       "routes: [ { name: x, match: { path: /x }, authenticate: { any_of: [" +
                       any_of + "] }, respond: { status: 200 } } ]\n")});
  };
  CHECK(check("acme").status == 0);
  const Finished bad = check("\"a\\x0d\\x0aX-Client-Roles: admin\"");
  CHECK(bad.status == 78);
  CHECK_MESSAGE(bad.err.find("keys.yaml:3:") != std::string::npos, bad.err);
  CHECK(bad.err.find("control characters") != std::string::npos);
  for (const char* header :
       {"Host", "X-Client-Id", "x_client_roles", "Connection", "Content-Length", "Cookie", "X-Forwarded-For",
        "Transfer-Encoding", "TE", "X-Request-Id", "Proxy-Authorization"}) {
    CAPTURE(header);
    const Finished done = check("acme", ", header: " + std::string(header));
    CHECK(done.status == 78);
    CHECK(done.err.find("has a meaning of its own") != std::string::npos);
  }
  CHECK(check("acme", ", header: Authorization").status == 0);
  const Finished both = check("acme", "", "k, other");
  CHECK(both.status == 78);
  CHECK(both.err.find("reads the header X-Api-KEY, and so does one before it") != std::string::npos);
}

TEST_CASE("keys: no command speaks of success over a file that the gateway would not take") {
  const TempDir dir;
  const Keys keys(dir);
  const std::string id = keys.create(), good = dir.read("keys.yaml"), hash(64, 'a');
  const auto entry = [&](const std::string& of, const std::string& more) {
    return good + "  - id: " + of + "\n    client: acme\n    hash: sha256:" + more + "\n";
  };
  for (const auto& [text, why] :
       {std::pair(entry("k000000000g0", "abc"), "its hash is neither"),
        {entry("k000000000g0", hash + "\n    expires: soon"), "one of its times"},
        {entry("short", hash), "its id is not 12 letters and digits"},
        {entry("k000000000g0", hash + "\n    roles: [\"a b\"]"), "the role \"a b\""},
        {entry(id, hash), "its id is there twice"}}) {
    dir.write("keys.yaml", text);
    const size_t line = static_cast<size_t>(std::ranges::count(good, '\n')) + 1;
    const std::string told = dir.path("keys.yaml") + ":" + std::to_string(line) + ":5: key ";
    for (const std::string command : {"list", "revoke", "rotate", "create"}) {
      std::vector<std::string> words = {command};
      if (command == "create") words.insert(words.end(), {"--client", "b"});
      if (command == "revoke" || command == "rotate") words.insert(words.end(), {"--id", id});
      keys.refuses(words, told, 78);
      keys.refuses(words, why, 78);
    }
  }
  dir.write("keys.yaml", good);
  CHECK(keys({"revoke", "--id", id}).status == 0);
}

TEST_CASE("keys: a config in the place of the key file is told to be one, and which file it names") {
  const TempDir dir;
  dir.write("gateway.yaml",
            "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n"
            "authenticators:\n  j: { type: jwt }\n  k: { type: api_key, file: secrets/keys.yaml }\n");
  const Keys keys(dir, "gateway.yaml");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"revoke", "--id", "k000000000g0"}, {"list"}, {"create", "--client", "a"}})
    keys.refuses(words,
                 "gateway.yaml:1:1: this is a config, not a key file: give the file that an authenticator of "
                 "it names (authenticators.k.file: secrets/keys.yaml)\n",
                 78);
  dir.write("other.yaml", "version: 1\n");
  Keys(dir, "other.yaml").refuses({"list"}, "other.yaml:1:1: the key file needs \"keys\"", 78);
}

TEST_CASE("keys: a key that has been rotated is rotated again with the term that it was made for") {
  const TempDir dir;
  Keys keys(dir);
  const std::string month = keys.create({"--expires", "30d"}), ever = keys.create();
  keys.at_day(10);
  const auto rotated = [&](const std::string& id) { return keys({"rotate", "--id", id}).out.substr(3, 12); };
  for (int i = 0; i < 3; ++i) {
    const std::string next = rotated(month);
    CHECK(keys.time_of(next, "expires") == keys.time_of(next, "created") + 30 * day_s);
    CHECK(keys.time_of(next, "first_expires") == 0);
    CHECK(keys.time_of(rotated(ever), "expires") == 0);
  }
  const std::string shown = keys({"list"}).out;
  CHECK(shown.find("revoked") == std::string::npos);
}

TEST_CASE("a whole key that stands where it does not belong is told without its secret") {
  const TempDir dir;
  const Finished made =
      run({binary(), "keys", "create", "--file", dir.path("keys.yaml"), "--client", "acme"});
  const std::string key = made.out.substr(0, made.out.find('\n')), id = key.substr(3, 12);
  const std::string secret = key.substr(16, 43), good = dir.read("keys.yaml");
  const auto hides = [&](const Finished& done) {
    CHECK(done.status != 0);
    CHECK_MESSAGE(done.err.find("sp_" + id + "_...") != std::string::npos, done.err);
    CHECK_MESSAGE((done.out + done.err).find(secret.substr(0, 8)) == std::string::npos, done.err);
  };
  hides(run({binary(), "keys", "revoke", "--file", dir.path("keys.yaml"), "--id", key}));
  const std::string config = dir.write(
      "gateway.yaml",
      "version: 1\nlisteners: [ { name: a, address: \"127.0.0.1:0\", plaintext: true } ]\n"
      "authenticators: { k: { type: api_key, file: keys.yaml } }\nroutes: [ { name: x, match: { path: /x }, "
      "authenticate: { any_of: [k] }, respond: { status: 200 } } ]\n");
  std::string with_id = good;
  with_id.replace(with_id.find("id: ") + 4, id.size(), key);
  for (const std::string& wrong :
       {with_id, good + "    " + key + ": x\n", good + "    roles: [\"a " + key + "\"]\n"}) {
    dir.write("keys.yaml", wrong);
    hides(run({binary(), "check", config}));
  }
}

TEST_CASE("keys: a file that somebody has left in the way does not decide who may write the key file") {
  const TempDir dir;
  const Keys keys(dir);
  dir.write("keys.yaml.new", "");
  fs::permissions(dir.path("keys.yaml.new"), fs::perms::all);
  keys.create();
  CHECK(fs::status(dir.path("keys.yaml")).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK_FALSE(fs::exists(dir.path("keys.yaml.new")));
}

TEST_CASE(
    "keys: a term without end in sight is no overflow, and nobody has to read what is said beside a key") {
  const TempDir dir;
  Keys keys(dir);
  const std::string far = keys.create({"--expires", "2262-04-11T23:47:16Z"});
  keys.at_day(1);
  const Finished next = keys({"rotate", "--id", far}, "2>/dev/full");
  CHECK(next.status == 0);
  CHECK(keys({"list"}).out.find("2261-12-31") != std::string::npos);
  CHECK(keys({"create", "--client", "acme"}, "2>/dev/full").status == 0);
  CHECK(keys({"revoke", "--id", "none"}, "2>/dev/full").status == 1);
}

TEST_CASE("keys: a key that could not be shown is no success, and how to end it is told") {
  const TempDir dir;
  const Keys keys(dir);
  const std::string old = keys.create();
  for (const std::string to : {">/dev/full", ">&-"}) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"create", "--client", "acme"}, {"rotate", "--id", old}}) {
      CAPTURE(to + " " + words.front());
      const Finished made = keys(words, to);
      CHECK(made.status == 1);
      const size_t at = made.err.find("--id ");
      REQUIRE(at != std::string::npos);
      const std::string id = made.err.substr(at + 5, 12);
      CHECK(made.err.starts_with("sallyport: the key " + id + " of client acme was made, but not shown ("));
      CHECK(made.err.find("sallyport keys revoke --file " + dir.path("keys.yaml")) != std::string::npos);
      CHECK(std::ranges::count(made.err, '\n') == 1);
      CHECK(keys({"revoke", "--id", id}).status == 0);
    }
    const Finished listed = keys({"list"}, to);
    CHECK(listed.status == 1);
    CHECK(listed.err.starts_with("sallyport: cannot write to stdout: "));
    CHECK(keys({"revoke", "--id", "none"}, to).err.find("stdout") == std::string::npos);
  }
  CHECK(keys({"list"}, ">/dev/null").status == 0);
}
