// The command line: what the program can be told to do.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

#include "gateway/base/standard_streams.h"
#include "gateway/base/text.h"
#include "gateway/server/harden.h"
#include "gateway/server/server.h"
#include "gateway/server/version.h"
#include "plugins/authenticate/key_commands.h"

namespace {

constexpr int exit_failed = 1, exit_usage = 2;

void add_config(CLI::App& command, std::string& path) {
  command.add_option("CONFIG", path, "the config file")->required();
}

// The first word that nobody has taken, with what is most like it where it stands; empty: there is none.
std::string wrong_with_words(const CLI::App& app) {
  const std::vector<std::string> untaken = app.remaining(true);
  if (untaken.empty()) return "";
  std::string command = app.get_name();
  const CLI::App* last = &app;
  for (auto inner = app.get_subcommands(); !inner.empty(); inner = last->get_subcommands()) {
    last = inner.front();
    command += " " + last->get_name();
  }
  std::vector<std::string> known;
  for (const CLI::App* one : last->get_subcommands({})) known.push_back(one->get_name());
  for (const CLI::Option* one : last->get_options()) known.push_back(one->get_name());
  const std::string& word = untaken.front();
  const auto near = sallyport::text::nearest(word, known);
  return fmt::format("\"{}\" is not known to `{}`{}; `{} --help` says what is\n",
                     sallyport::text::printable(word), command,
                     near ? fmt::format("; did you mean \"{}\"?", *near) : "", command);
}

// Does what the words say; the callbacks leave the exit status in `status`.
int run_command(CLI::App& app, int argc, char** argv, const int& status) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const std::string wrong = e.get_exit_code() == 0 ? "" : wrong_with_words(app);
    std::fputs(wrong.c_str(), stderr);
    if (!wrong.empty()) return exit_usage;
    return app.exit(e) == 0 ? 0 : exit_usage;
  } catch (const std::system_error&) {  // of fmt::print: tell_of_stdout tells of it
    if (std::ferror(stdout) == 0) throw;
  }
  return status;
}

// What a command prints may be all that there is of it: where nobody gets it, it has not succeeded.
int tell_of_stdout(int status) {
  const std::string wrong = status == 0 ? sallyport::wrong_with_stdout() : "";
  if (wrong.empty()) return status;
  std::fprintf(stderr, "sallyport: cannot write to stdout: %s; not everything was shown\n", wrong.c_str());
  return exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sallyport;
  open_standard_streams();
  CLI::App app("Sallyport: a TLS-terminating API gateway.", "sallyport");
  app.require_subcommand(1);
  int status = 0;

  std::string config;
  server::Server::Options options;
  CLI::App& run = *app.add_subcommand("run", "serve until SIGTERM; SIGHUP reads the config again");
  add_config(run, config);
  run.add_option("--workers", options.workers, "threads that serve, instead of what the config says")
      ->check(CLI::Range(1, 256));
  run.add_flag("--share-ports", options.share_ports,
               "listen also where another process does, and take a part of its connections");
  run.callback([&] {
    server::harden_process();
    status = server::Server(config, options).run();
  });

  CLI::App& check = *app.add_subcommand("check", "check the config and every file it names; opens no port");
  add_config(check, config);
  check.callback([&] { status = server::check_config(config); });

  CLI::App& show =
      *app.add_subcommand("show", "print the config in effect, defaults filled in, secrets hidden");
  add_config(show, config);
  show.callback([&] { status = server::show_config(config); });

  CLI::App& keys = *app.add_subcommand("keys", "make, list, rotate and revoke API keys");
  add_key_commands(keys, status);

  CLI::App& version = *app.add_subcommand("version", "print the versions of Sallyport and of its libraries");
  version.callback(
      [] { std::printf("sallyport %s\n%s", server::version().c_str(), server::library_versions().c_str()); });

  status = run_command(app, argc, argv, status);
  return run.parsed() ? status : tell_of_stdout(status);
}
