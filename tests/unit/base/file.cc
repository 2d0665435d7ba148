#include "gateway/base/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/process.h"

using namespace sallyport;

TEST_CASE("a file is read whole, through symlinks, up to a bound") {
  const test::TempDir dir;
  const std::string path = dir.write("file", std::string(70'000, 'x'));
  CHECK(symlink("file", dir.path("link").c_str()) == 0);
  for (const std::string& name : {path, dir.path("link")}) CHECK(read_file(name, 70'000)->size() == 70'000);
  CHECK(read_file(path, 69'999).error().detail == "it is larger than 69999 bytes");
  CHECK(read_file(dir.write("none", ""), 1)->empty());
  CHECK(read_file(dir.path("absent"), 1).error().detail == "No such file or directory");
  CHECK(read_file("/proc/self/stat", 70'000)->size() > 10);  // of which the system says that it is empty
}

TEST_CASE("what is no file is not read: nobody waits for a pipe, nor for a device to end") {
  const test::TempDir dir;
  const std::string pipe = dir.path("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(read_file(pipe, 100).error().detail == "it is a pipe, not a regular file");
  CHECK(read_file("/dev/zero", 100).error().detail == "it is a device, not a regular file");
  CHECK(read_file(dir.path(), 100).error().detail == "it is a directory, not a regular file");
}
