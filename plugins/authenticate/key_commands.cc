#include "plugins/authenticate/key_commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "plugins/authenticate/api_key.h"

namespace sallyport {
namespace {

constexpr int exit_failed = 1, exit_usage = 2, exit_config = 78;

struct KeyArguments {
  std::string file;
  std::string id;
  std::string client;
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::string expires;
  std::string not_before;
  std::string overlap = "24h";
  std::string pepper;
};

int complain(int status, const std::string& what) {
  fmt::print(stderr, "sallyport: {}\n", what);
  return status;
}

// One editor at a time; readers see the old file or the new one, never half of one.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : fd_(open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  FileLock(const FileLock&) = delete;
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool save(const std::string& path, ApiKeyFile& file) {
  config::Writer writer;
  writer.value(file);
  const std::string text =
      "# API keys of Sallyport: hashes only. Made by `sallyport keys`; watched by the gateway.\n" +
      writer.text();
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  struct stat old{};
  bool good = fd >= 0;
  if (good && stat(path.c_str(), &old) == 0) {  // who may read it stays as it was
    good = fchmod(fd, old.st_mode & 0777) == 0 && (fchown(fd, old.st_uid, old.st_gid) == 0 || geteuid() != 0);
  }
  good = good && write_all(fd, text) && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  return good && rename(fresh.c_str(), path.c_str()) == 0;
}

std::optional<ApiKeyFile> load(const std::string& path, bool may_be_missing, int& status) {
  if (may_be_missing && access(path.c_str(), F_OK) != 0) return ApiKeyFile{};
  config::Problems problems;
  auto file = ApiKeyFile::read(path, path, problems);
  if (file) return file;
  fmt::print(stderr, "{}", problems.text());
  status = exit_config;
  return std::nullopt;
}

// "90d" from now, or a time; empty stays empty.
std::optional<std::string> time_from(const std::string& text, std::string_view what) {
  if (text.empty()) return "";
  if (const Result<Duration> span = parse_duration(text)) return date_time(wall_now() + *span);
  if (const Result<Wall> time = parse_date_time(text)) return date_time(*time);
  complain(
      exit_usage,
      fmt::format("--{}: \"{}\" is neither a duration such as 90d nor a time such as 2026-01-02T03:04:05Z",
                  what, text::printable(text)));
  return std::nullopt;
}

// The pepper that a reference names. False: it is wrong, and that has been said.
bool pepper_from(const std::string& reference, std::shared_ptr<const std::string>& out) {
  if (reference.empty()) return true;
  config::Node node;
  node.kind = config::Node::Kind::string;
  node.text = reference;
  config::Problems problems;
  config::Secret secret;
  config::Reader(node, problems, "--pepper", "").value(secret);
  out = secret.value;
  if (problems.empty()) return true;
  complain(exit_usage, problems.all().front().message);
  return false;
}

// Adds a key like `entry`, with a fresh id and secret, and prints it: the only time that it is seen.
int issue(ApiKeyFile& file, ApiKeyEntry entry, const KeyArguments& a, const std::string* pepper) {
  std::string key = ApiKeyText::generate();
  const ApiKeyText parts = *ApiKeyText::parse(key);
  entry.id = parts.id;
  entry.hash = hash_secret(parts.secret, pepper);
  entry.created = date_time(wall_now());
  file.keys.push_back(entry);
  if (!save(a.file, file))
    return complain(exit_failed, fmt::format("cannot write {}: {}", a.file, std::strerror(errno)));
  fmt::print("{}\n", key);
  fmt::print(stderr, "key {} of client {}{}; this is the only time it is shown\n", entry.id, entry.client,
             entry.expires.empty() ? "" : ", good until " + entry.expires);
  crypto::wipe(key);
  return 0;
}

int create(const KeyArguments& a) {
  ApiKeyEntry entry;
  entry.client = a.client;
  entry.roles = a.roles;
  entry.scopes = a.scopes;
  const auto expires = time_from(a.expires, "expires"), not_before = time_from(a.not_before, "not-before");
  std::shared_ptr<const std::string> pepper;
  if (!expires || !not_before || !pepper_from(a.pepper, pepper)) return exit_usage;
  entry.expires = *expires;
  entry.not_before = *not_before;
  const FileLock lock(a.file);
  int status = 0;
  auto file = load(a.file, true, status);
  return file ? issue(*file, std::move(entry), a, pepper.get()) : status;
}

std::string state_of(const ApiKeyEntry& key, const std::string& now) {
  if (!key.revoked.empty()) return "revoked";
  if (!key.expires.empty() && key.expires <= now) return "expired";
  return !key.not_before.empty() && key.not_before > now ? "not yet" : "good";
}

int list(const KeyArguments& a) {
  int status = 0;
  const auto file = load(a.file, false, status);
  if (!file) return status;
  const std::string now = date_time(wall_now());
  fmt::print("{:<14}{:<20}{:<9}{:<22}{:<22}{}\n", "ID", "CLIENT", "STATE", "CREATED", "EXPIRES",
             "ROLES AND SCOPES");
  for (const ApiKeyEntry& key : file->keys) {
    fmt::print("{:<14}{:<20}{:<9}{:<22}{:<22}{} {}\n", key.id, key.client, state_of(key, now), key.created,
               key.expires.empty() ? "never" : key.expires, fmt::join(key.roles, ","),
               fmt::join(key.scopes, " "));
  }
  return 0;
}

ApiKeyEntry* entry_with(ApiKeyFile& file, const std::string& id) {
  for (ApiKeyEntry& key : file.keys) {
    if (key.id == id) return &key;
  }
  complain(exit_failed, fmt::format("there is no key with the id \"{}\"; `sallyport keys list` shows them",
                                    text::printable(id)));
  return nullptr;
}

int rotate(const KeyArguments& a) {
  const Result<Duration> overlap = parse_duration(a.overlap);
  std::shared_ptr<const std::string> pepper;
  if (!overlap) return complain(exit_usage, "--overlap: " + overlap.error().detail);
  if (!pepper_from(a.pepper, pepper)) return exit_usage;
  const FileLock lock(a.file);
  int status = 0;
  auto file = load(a.file, false, status);
  if (!file) return status;
  ApiKeyEntry* old = entry_with(*file, a.id);
  if (old == nullptr) return exit_failed;
  const bool peppered = old->hash.starts_with("hmac-sha256:");
  if (peppered != (pepper != nullptr)) {
    return complain(exit_usage, peppered ? "the key was made with a pepper: give --pepper"
                                         : "the key was made without a pepper: leave --pepper away");
  }
  const auto expires = time_from(a.expires, "expires");
  if (!expires) return exit_usage;
  ApiKeyEntry next = *old;
  next.not_before.clear();
  next.revoked.clear();
  next.expires = *expires;
  const std::string end = date_time(wall_now() + *overlap);
  if (old->expires.empty() || old->expires > end) old->expires = end;
  return issue(*file, std::move(next), a, pepper.get());
}

int revoke(const KeyArguments& a) {
  const FileLock lock(a.file);
  int status = 0;
  auto file = load(a.file, false, status);
  if (!file) return status;
  ApiKeyEntry* key = entry_with(*file, a.id);
  if (key == nullptr) return exit_failed;
  if (key->revoked.empty()) key->revoked = date_time(wall_now());
  if (!save(a.file, *file))
    return complain(exit_failed, fmt::format("cannot write {}: {}", a.file, std::strerror(errno)));
  fmt::print("revoked {} of client {}\n", key->id, key->client);
  return 0;
}

}  // namespace

void add_key_commands(CLI::App& keys, int& status) {
  keys.require_subcommand(1);
  auto arguments = std::make_shared<KeyArguments>();
  const auto add = [&](const char* name, const char* help, int (*run)(const KeyArguments&)) {
    CLI::App* command = keys.add_subcommand(name, help);
    command->add_option("--file", arguments->file, "the key file")->required();
    command->callback([arguments, run, &status] { status = run(*arguments); });
    return command;
  };
  constexpr const char* pepper_help = "env:NAME or file:PATH; the same as the authenticator's";
  CLI::App* make = add("create", "make a key and print it once", &create);
  make->add_option("--client", arguments->client, "who it is for")->required();
  make->add_option("--roles", arguments->roles, "a,b")->delimiter(',');
  make->add_option("--scopes", arguments->scopes, "x,y")->delimiter(',');
  make->add_option("--expires", arguments->expires, "90d, or a time in UTC; default: never");
  make->add_option("--not-before", arguments->not_before, "1h, or a time in UTC; default: good at once");
  make->add_option("--pepper", arguments->pepper, pepper_help);
  add("list", "show the keys of a file", &list);
  CLI::App* next =
      add("rotate", "make a key like one that there is; the old one ends after the overlap", &rotate);
  next->add_option("--id", arguments->id, "the key's id")->required();
  next->add_option("--overlap", arguments->overlap, "how long the old key stays good; default 24h");
  next->add_option("--expires", arguments->expires, "of the new key");
  next->add_option("--pepper", arguments->pepper, pepper_help);
  add("revoke", "end a key now", &revoke)->add_option("--id", arguments->id, "the key's id")->required();
}

}  // namespace sallyport
