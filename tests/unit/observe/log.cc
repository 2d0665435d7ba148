#include "gateway/observe/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "tests/support/process.h"

using namespace sallyport;
using namespace sallyport::observe;

namespace {

// What comes behind "value=" of a line with that value.
std::string logged(std::string_view value) {
  const test::TempDir dir;
  const int usual = dup(STDERR_FILENO);
  const int file = open(dir.path("log").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  dup2(file, STDERR_FILENO);
  log(Level::error, "event", {{"value", value}}, 1000);
  dup2(usual, STDERR_FILENO);
  close(file);
  close(usual);
  const std::string line = dir.read("log");
  return line.substr(line.find("value=") + 6);
}

}  // namespace

TEST_CASE("a value in the error log is one line for whoever reads it, as in the access log") {
  CHECK(logged("plain") == "plain\n");
  CHECK(logged("") == "\"\"\n");
  CHECK(logged("a \"b\" \\") == "\"a \\\"b\\\" \\\\\"\n");
  CHECK(logged("a\nb\x1b\x7f") == "a\\u000ab\\u001b\\u007f\n");
  CHECK(logged("\u0080\u0085\u009b31m\u00a0") == "\\u0080\\u0085\\u009b31m\u00a0\n");
  CHECK(logged("\u2027\u2028\u2029\u202a") == "\u2027\\u2028\\u2029\u202a\n");
  CHECK(logged("caf\u00e9\xff\xe2\x82 \xed\xa0\x80") ==
        "\"caf\u00e9\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\"\n");
  CHECK(logged(std::string(5000, 'x')) == std::string(1000, 'x') + "\n");
}

TEST_CASE("the error log shows no secret of a client") {
  CHECK(logged("key=sp_AbCdEfGhIjKl_secret!") == "\"key=sp_AbCdEfGhIjKl_...!\"\n");
  CHECK(logged("/eyJhbGciOiJub25lIiwiYSI6MX0%2EeyJz.c/y") == "/eyJhbGci.../y\n");
  CHECK(logged(std::string(2000, '/') + "sp_AbCdEfGhIjKl_secret") == std::string(1000, '/') + "\n");
}
