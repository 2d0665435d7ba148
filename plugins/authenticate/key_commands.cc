#include "plugins/authenticate/key_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "gateway/base/standard_streams.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "plugins/authenticate/api_key.h"
#include "plugins/authenticate/key_file_editor.h"
#include "plugins/authenticate/names.h"

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
  tell(fmt::format("sallyport: {}\n", what));
  return status;
}

int complain(const Error& error) {
  if (error.code != Code::invalid_data) return complain(exit_failed, error.detail);
  tell(error.detail);  // the file's problems, each with its place
  return exit_config;
}

// "90d" from now, or a time; empty stays empty.
std::optional<std::string> time_from(const std::string& text, std::string_view what) {
  if (text.empty()) return "";
  if (const Result<Duration> span = parse_duration(text)) return date_time(wall_now() + *span);
  if (const Result<Wall> time = parse_date_time(text)) return date_time(*time);
  complain(exit_usage,
           fmt::format("--{}: \"{}\" is neither a duration such as 90d ({} at most) nor a time such as "
                       "2026-01-02T03:04:05Z (in 2261 at the latest)",
                       what, text::printable(text), to_string(longest_duration)));
  return std::nullopt;
}

// When a key ends: as time_from, but still to come, and behind its beginning; "never" is the empty one.
std::optional<std::string> end_from(const std::string& text, const std::string& not_before) {
  if (text == "never") return "";
  auto end = time_from(text, "expires");
  if (!end || end->empty() || *end > std::max(date_time(wall_now()), not_before)) return end;
  complain(
      exit_usage,
      fmt::format("--expires: a key that ends at {} would never be good; \"never\" makes one that has no end",
                  *end));
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

// False, and that has been said, if it is not the pepper of the other keys of the file. A file that was made
// before Sallyport noted it cannot tell.
bool fits_file(ApiKeyFile& file, const std::string* pepper) {
  if (pepper == nullptr) {
    if (file.pepper_check.empty()) return true;
    complain(exit_usage, "the keys of this file are made with a pepper: give --pepper");
    return false;
  }
  const std::string check = pepper_check(*pepper);
  const bool first = std::ranges::none_of(file.keys, &ApiKeyEntry::has_pepper);
  if (file.pepper_check.empty() && first) file.pepper_check = check;
  if (file.pepper_check.empty())
    tell("sallyport: this file does not tell whether that is the pepper of its other keys\n");
  if (file.pepper_check.empty() || file.pepper_check == check) return true;
  complain(exit_usage, "--pepper: the other keys of this file were made with another one");
  return false;
}

// Adds a key like `entry`, with a fresh id and secret, and prints it: the only time that it is seen.
int issue(KeyFileEditor& editor, const std::string& path, ApiKeyEntry entry, const std::string* pepper) {
  std::string key = ApiKeyText::generate();
  const ApiKeyText parts = *ApiKeyText::parse(key);
  entry.id = parts.id;
  entry.hash = hash_secret(parts.secret, pepper);
  entry.created = date_time(wall_now());
  editor.file.keys.push_back(entry);
  if (const Result<void> saved = editor.save(); !saved) return complain(saved.error());
  editor
      .release();  // whoever reads what is printed may take his time, and a revocation does not wait for that
  std::puts(key.c_str());
  crypto::wipe(key);
  if (const std::string wrong = wrong_with_stdout(); !wrong.empty())
    return complain(exit_failed,
                    fmt::format("the key {} of client {} was made, but not shown (stdout: {}), and cannot be "
                                "shown again: revoke it (sallyport keys revoke --file {} --id {})",
                                entry.id, text::printable(entry.client), wrong, path, entry.id));
  tell(fmt::format("key {} of client {}{}; this is the only time it is shown\n", entry.id,
                   text::printable(entry.client),
                   entry.expires.empty() ? "" : ", good until " + entry.expires));
  tell(fmt::format("its hash is made {}\n",
                   pepper != nullptr
                       ? "with the pepper, which the authenticator must name as well"
                       : "without a pepper: where the authenticator names one, give it as --pepper"));
  return 0;
}

// False, and that has been said, if a name is none.
bool good_names(const ApiKeyEntry& entry) {
  const std::string wrong = wrong_with_names(entry);
  if (!wrong.empty()) complain(exit_usage, wrong);
  return wrong.empty();
}

// What stands between the commas; empty words, too, which are most often a variable that was not set, and
// which CLI11's own delimiter would leave out.
std::vector<std::string> words_of(const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const std::string& list : given) {
    for (size_t at = 0; at <= list.size(); at += out.back().size() + 1)
      out.push_back(list.substr(at, list.find(',', at) - at));
  }
  return out;
}

int create(const KeyArguments& a) {
  ApiKeyEntry entry;
  entry.client = a.client;
  entry.roles = words_of(a.roles);
  entry.scopes = words_of(a.scopes);
  if (!good_names(entry)) return exit_usage;
  const auto not_before = time_from(a.not_before, "not-before");
  const auto expires = not_before ? end_from(a.expires, *not_before) : std::nullopt;
  std::shared_ptr<const std::string> pepper;
  if (!expires || !pepper_from(a.pepper, pepper)) return exit_usage;
  entry.expires = *expires;
  entry.not_before = *not_before;
  auto editor = KeyFileEditor::open(a.file, true);
  if (!editor) return complain(editor.error());
  if (!fits_file(editor->file, pepper.get())) return exit_usage;
  return issue(*editor, a.file, std::move(entry), pepper.get());
}

std::string state_of(const ApiKeyEntry& key, const std::string& now) {
  if (!key.revoked.empty()) return "revoked";
  if (!key.expires.empty() && key.expires <= now) return "expired";
  return !key.not_before.empty() && key.not_before > now ? "not yet" : "good";
}

int list(const KeyArguments& a) {
  const auto file = read_key_file(a.file);
  if (!file) return complain(file.error());
  const std::string now = date_time(wall_now());
  fmt::print("{:<14}{:<20}{:<9}{:<22}{:<22}{}\n", "ID", "CLIENT", "STATE", "CREATED", "EXPIRES",
             "ROLES AND SCOPES");
  for (const ApiKeyEntry& key : file->keys) {
    const std::string words = fmt::format("{} {}", fmt::join(key.roles, ","), fmt::join(key.scopes, " "));
    fmt::print("{:<14}{:<20}{:<9}{:<22}{:<22}{}\n", key.id, text::printable(key.client), state_of(key, now),
               text::printable(key.created), key.expires.empty() ? "never" : key.expires,
               text::printable(words, 1000));
  }
  return 0;
}

ApiKeyEntry* entry_with(ApiKeyFile& file, const std::string& id) {
  for (ApiKeyEntry& key : file.keys) {
    if (key.id == id) return &key;
  }
  complain(exit_failed, fmt::format("there is no key with the id \"{}\"; `sallyport keys list` shows them{}",
                                    text::printable(id),
                                    id.starts_with("sp_") ? ": of a key that reads sp_ID_…, the ID" : ""));
  return nullptr;
}

constexpr const char* latest = "2261-12-31T23:59:59Z";  // that a clock of 64 bits can tell, to the year

// When the key that follows `old` ends: the term that the old one was made for, once more from when the new
// one begins.
std::optional<std::string> same_term(const ApiKeyEntry& old, const ApiKeyEntry& next) {
  const std::string& expires = old.first_expires.empty() ? old.expires : old.first_expires;
  if (expires.empty() || expires == "never") return "";
  const auto end = parse_date_time(expires);
  const auto begin = parse_date_time(std::max(old.created, old.not_before));
  if (end && begin && *end > *begin) {
    const auto from = parse_date_time(std::max(date_time(wall_now()), next.not_before));
    return date_time(*from + std::min(*end - *begin, *parse_date_time(latest) - *from));
  }
  complain(exit_usage, "the file does not tell for how long the key was made: give --expires");
  return std::nullopt;
}

int rotate(const KeyArguments& a) {
  const Result<Duration> overlap = parse_duration(a.overlap);
  std::shared_ptr<const std::string> pepper;
  if (!overlap) return complain(exit_usage, "--overlap: " + overlap.error().detail);
  if (!pepper_from(a.pepper, pepper)) return exit_usage;
  auto editor = KeyFileEditor::open(a.file, false);
  if (!editor) return complain(editor.error());
  ApiKeyEntry* old = entry_with(editor->file, a.id);
  if (old == nullptr) return exit_failed;
  const std::string now = date_time(wall_now());
  if (const std::string state = state_of(*old, now); state == "revoked" || state == "expired") {
    return complain(
        exit_failed,
        fmt::format("the key is {}, and stays so; `sallyport keys create` makes a new one", state));
  }
  // The other way round the new key gets what the old one lacked, as `keys create` would make it.
  if (old->has_pepper() && pepper == nullptr)
    return complain(exit_usage, "the key was made with a pepper: give --pepper");
  if (!fits_file(editor->file, pepper.get())) return exit_usage;
  ApiKeyEntry next = *old;
  if (next.not_before <= now) next.not_before.clear();
  const auto expires = a.expires.empty() ? same_term(*old, next) : end_from(a.expires, next.not_before);
  if (!expires || !good_names(next)) return exit_usage;
  next.expires = *expires;
  next.first_expires.clear();
  const std::string end = date_time(wall_now() + *overlap);
  if (old->expires.empty() || old->expires > end) {
    if (old->first_expires.empty()) old->first_expires = old->expires.empty() ? "never" : old->expires;
    old->expires = end;
  }
  return issue(*editor, a.file, std::move(next), pepper.get());
}

int revoke(const KeyArguments& a) {
  auto editor = KeyFileEditor::open(a.file, false);
  if (!editor) return complain(editor.error());
  ApiKeyEntry* key = entry_with(editor->file, a.id);
  if (key == nullptr) return exit_failed;
  if (key->revoked.empty()) key->revoked = date_time(wall_now());
  if (const Result<void> saved = editor->save(); !saved) return complain(saved.error());
  fmt::print("revoked {} of client {}\n", key->id, text::printable(key->client));
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
  make->add_option("--roles", arguments->roles, "a,b");
  make->add_option("--scopes", arguments->scopes, "x,y");
  make->add_option("--expires", arguments->expires, "90d, or a time in UTC; default: never");
  make->add_option("--not-before", arguments->not_before, "1h, or a time in UTC; default: good at once");
  make->add_option("--pepper", arguments->pepper, pepper_help);
  add("list", "show the keys of a file", &list);
  CLI::App* next =
      add("rotate", "make a key like one that there is; the old one ends after the overlap", &rotate);
  next->add_option("--id", arguments->id, "the key's id")->required();
  next->add_option("--overlap", arguments->overlap, "how long the old key stays good; default 24h");
  next->add_option(
      "--expires", arguments->expires,
      "of the new key: 90d, a time in UTC, or never; default: as long from now as the old one had");
  next->add_option("--pepper", arguments->pepper, pepper_help);
  add("revoke", "end a key now", &revoke)->add_option("--id", arguments->id, "the key's id")->required();
  // An empty one is most often a variable of a script that was not set.
  const CLI::Validator said([](const std::string& value) { return value.empty() ? "it is empty" : ""; }, "");
  for (CLI::App* command : keys.get_subcommands([](CLI::App*) { return true; })) {
    for (CLI::Option* option : command->get_options()) {
      if (option->get_expected_max() > 0) option->check(said);
    }
  }
}

}  // namespace sallyport
