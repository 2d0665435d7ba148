#include "gateway/observe/access_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/process.h"

using namespace sallyport;
using namespace sallyport::observe;

namespace {

AccessRecord record(Slice path) {
  AccessRecord r;
  r.request_id = "id";
  r.method = "GET";
  r.path = path;
  r.status = 200;
  return r;
}

std::string line_of(const AccessRecord& r, size_t room = 8192) {
  std::string out(room, '\0');
  out.resize(format_access_line(r, out.data(), room));
  return out;
}

}  // namespace

TEST_CASE("one request is one line, whatever is in it") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  AccessRecord r = record(all);
  r.user_agent = "a\"b\\c\nd\u009b31m";
  const std::string line = line_of(r);
  CHECK(line.ends_with("}\n"));
  CHECK(line.find('\n') == line.size() - 1);
  for (char c : line.substr(0, line.size() - 1)) CHECK(static_cast<uint8_t>(c) >= 0x20);
  CHECK(line.find(R"("user_agent":"a\"b\\c\u000ad\u009b31m")") != std::string::npos);
  CHECK(line.find(R"(\u0000\u0001)") != std::string::npos);
  CHECK(line.find("\xff") == std::string::npos);  // invalid UTF-8 is replaced
  CHECK(line.find("\"host\"") == std::string::npos);
}

TEST_CASE("an API key that a client has written where it does not belong is logged without its secret") {
  const std::string open = "sp_AbCdEfGhIjKl_", secret = "0123456789secret_Check";
  AccessRecord r = record("");
  const std::string path = "/x/" + open + secret + "/y", agent = "curl " + open + secret;
  r.path = path;
  r.user_agent = agent;
  r.method = r.host = agent;
  const std::string line = line_of(r);
  CHECK(line.find(R"("path":"/x/)" + open + "...") != std::string::npos);
  CHECK(line.find(R"("user_agent":"curl )" + open + "...") != std::string::npos);
  CHECK(line.find("secret") == std::string::npos);
}

TEST_CASE("a token, or an encoded key, that a client has written where it does not belong is not logged") {
  const std::string token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk",
                    key = "%73p%5FAbCdEfGhIjKl%5f";
  for (const std::string& text :
       {token, "eyJhbGciOiJFUzI1NiJ9%2EeyJzdWIiOiJhbm4ifQ%2ec2lnbmVk" + key, key + "c2lnbmVk"}) {
    AccessRecord r = record(text);
    r.method = r.host = r.user_agent = text;
    const std::string line = line_of(r), open = text == key + "c2lnbmVk" ? key : "eyJhbGci";
    for (const std::string name : {"method", "host", "path", "user_agent"})
      CHECK_MESSAGE(line.find("\"" + name + "\":\"" + open + "...\"") != std::string::npos, line);
    CHECK(line.find("c2lnbmVk") == std::string::npos);
    CHECK(line.find("eyJz") == std::string::npos);
  }
  const std::string path = token + "/" + std::string(3000, 'x');  // masked first, then cut
  CHECK(line_of(record(path)).find("eyJhbGci.../" + std::string(2036, 'x') + "\"") != std::string::npos);
}

TEST_CASE("long values are cut, and a line that has no room is not begun") {
  const std::string line = line_of(record(std::string(100'000, 'x')));
  CHECK(line.size() > 2048);
  CHECK(line.size() < 2400);
  CHECK(line.ends_with("}\n"));
  const size_t size = line.size();
  CHECK(line_of(record(std::string(100'000, 'x')), size).size() == size);
  for (size_t room = 0; room < size; room += 7)
    CHECK(line_of(record(std::string(100'000, 'x')), room).empty());
}

TEST_CASE("lines of several workers arrive whole, all of them, in each worker's order") {
  std::string dir = "/tmp/sallyport-log-" + std::string(6, 'X');
  REQUIRE(mkdtemp(dir.data()) != nullptr);
  const std::string path = dir + "/access.log";
  constexpr size_t workers = 3, lines = 2000;
  {
    LogWriter writer;
    auto log = AccessLog::open(writer, {AccessLog::To::file, path, workers, 1 << 20});
    REQUIRE(log);
    std::vector<std::thread> threads;
    for (size_t w = 0; w < workers; ++w) {
      threads.emplace_back([&, w] {
        for (size_t i = 0; i < lines; ++i)
          (*log)->write(w, record("/" + std::to_string(w) + "/" + std::to_string(i)));
      });
    }
    for (std::thread& t : threads) t.join();
    writer.flush();
    CHECK((*log)->lost() == 0);
  }
  std::ifstream file(path);
  std::vector<size_t> next(workers);
  size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    CHECK(line.front() == '{');
    CHECK(line.back() == '}');
    const size_t start = line.find("\"path\":\"/") + 9;
    const size_t worker = static_cast<size_t>(line[start] - '0');
    REQUIRE(worker < workers);
    CHECK(std::stoul(line.substr(start + 2)) == next[worker]++);
  }
  CHECK(count == workers * lines);
  unlink(path.c_str());
  rmdir(dir.c_str());
}

TEST_CASE("a ring that is full loses lines and says how many, and never waits") {
  LogWriter writer;
  auto log = AccessLog::open(writer, {AccessLog::To::file, "/dev/full", 1, 4096});
  REQUIRE(log);
  for (int i = 0; i < 1000; ++i) (*log)->write(0, record("/x"));
  CHECK((*log)->lost() > 900);
}

TEST_CASE("a log that cannot be opened is an error with its cause") {
  LogWriter writer;
  auto log = AccessLog::open(writer, {AccessLog::To::file, "/no/such/directory/x", 1, 4096});
  REQUIRE_FALSE(log);
  CHECK(log.error().detail.find("No such file") != std::string::npos);
}

TEST_CASE("a pipe that nobody reads holds up its own log only, and not the end") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  const std::string end = "/proc/self/fd/" + std::to_string(ends[1]);
  std::string path = "/tmp/sallyport-log-" + std::string(6, 'X');
  close(mkstemp(path.data()));
  LogWriter writer;
  auto stuck = AccessLog::open(writer, {AccessLog::To::file, end, 1, 16 * 1024});
  auto fine = AccessLog::open(writer, {AccessLog::To::file, path, 1, 16 * 1024});
  REQUIRE((stuck && fine));
  for (int i = 0; i < 1000; ++i) (*stuck)->write(0, record("/x"));
  CHECK((*stuck)->lost() > 0);
  (*fine)->write(0, record("/here"));
  writer.flush();
  std::string line;
  CHECK(std::getline(std::ifstream(path), line));
  CHECK(line.find("/here") != std::string::npos);
  CHECK(writer.end());
  std::string held(8192, '\0');
  held.resize(static_cast<size_t>(std::max<ssize_t>(read(ends[0], held.data(), held.size()), 0)));
  CHECK(held.ends_with("}\n"));  // whole lines only
  for (const int fd : ends) close(fd);
  unlink(path.c_str());
}

TEST_CASE("a log goes on elsewhere from the next line on, also from and to off") {
  std::string dir = "/tmp/sallyport-log-" + std::string(6, 'X');
  REQUIRE(mkdtemp(dir.data()) != nullptr);
  const auto text = [&](const char* name) {
    std::ifstream file(dir + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  LogWriter writer;
  auto log = AccessLog::open(writer, {AccessLog::To::off, "", 1, 16 * 1024});
  REQUIRE(log);
  CHECK_FALSE((*log)->enabled());
  CHECK_FALSE((*log)->redirect(AccessLog::To::file, dir + "/none/x"));
  CHECK_FALSE((*log)->enabled());
  for (const char* name : {"/a", "/b"}) {
    CHECK((*log)->redirect(AccessLog::To::file, dir + name));
    CHECK((*log)->enabled());
    (*log)->write(0, record(name));
    writer.flush();
    CHECK(text(name).find(name) != std::string::npos);
  }
  CHECK((*log)->redirect(AccessLog::To::off, ""));
  CHECK_FALSE((*log)->enabled());
  CHECK(text("/a").find("/b") == std::string::npos);
  for (const char* name : {"/a", "/b"}) unlink((dir + name).c_str());
  rmdir(dir.c_str());
}

TEST_CASE("what was logged before a log goes on elsewhere is written where it belongs, and nowhere else") {
  const test::TempDir dir;
  constexpr size_t lines = 200;
  LogWriter writer;
  auto log = AccessLog::open(writer, {AccessLog::To::file, dir.path("a"), 2, 1 << 20});
  REQUIRE(log);
  const auto all = [](const std::string& path) {
    std::string text;
    for (size_t i = 0; i < lines; ++i) text += line_of(record(path));
    return text;
  };
  const auto answer = [&](const std::string& path) {
    for (size_t i = 0; i < lines; ++i) (*log)->write(i % 2, record(path));
  };
  answer("/a");
  REQUIRE((*log)->redirect(AccessLog::To::file, dir.path("b")));
  answer("/b");
  REQUIRE((*log)->redirect(AccessLog::To::off, ""));
  answer("/off");
  REQUIRE((*log)->redirect(AccessLog::To::file, dir.path("c")));
  answer("/c");
  std::filesystem::rename(dir.path("c"), dir.path("rotated"));
  (*log)->reopen();
  answer("/again");
  writer.flush();
  CHECK((dir.read("a") == all("/a")));
  CHECK((dir.read("b") == all("/b")));
  CHECK((dir.read("rotated") == all("/c")));
  CHECK((dir.read("c") == all("/again")));
  CHECK((*log)->lost() == 0);
}

TEST_CASE("lines that nobody has taken when their log is turned off are lost, and counted") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  const std::string end = "/proc/self/fd/" + std::to_string(ends[1]);
  LogWriter writer;
  auto log = AccessLog::open(writer, {AccessLog::To::file, end, 1, 1 << 16});
  REQUIRE(log);
  constexpr uint64_t lines = 200;
  const std::string line = line_of(record("/x"));
  for (uint64_t i = 0; i < lines; ++i) (*log)->write(0, record("/x"));
  writer.flush();
  REQUIRE((*log)->redirect(AccessLog::To::off, ""));
  (*log)->write(0, record("/off"));
  CHECK(test::eventually([&] { return (*log)->lost() > 0; }));
  std::string held(8192, '\0');
  held.resize(static_cast<size_t>(std::max<ssize_t>(read(ends[0], held.data(), held.size()), 0)));
  CHECK(held.size() / line.size() + (*log)->lost() == lines);
  for (const int fd : ends) close(fd);
}

TEST_CASE("half a line that a full disk has left costs no other line, after a rotation or a start") {
  signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  getrlimit(RLIMIT_FSIZE, &usual);
  const std::string first = line_of(record("/first")), second = line_of(record("/second"));
  const size_t half = first.size() + second.size() / 2;
  const auto largest_file = [&](size_t bytes) {
    const rlimit limit{bytes, usual.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  };
  for (const bool starts_again : {false, true}) {
    CAPTURE(starts_again);
    const test::TempDir dir;
    const AccessLog::Options options{AccessLog::To::file, dir.path("log"), 1, 1 << 16};
    auto writer = std::make_unique<LogWriter>();
    auto log = AccessLog::open(*writer, options);
    REQUIRE(log);
    largest_file(half);
    (*log)->write(0, record("/first"));
    (*log)->write(0, record("/second"));
    writer->flush();
    CHECK(dir.read("log") == (first + second).substr(0, half));
    if (starts_again) {
      writer->end();
      largest_file(usual.rlim_cur);
      writer = std::make_unique<LogWriter>();
      log = AccessLog::open(*writer, options);
      REQUIRE(log);
      (*log)->write(0, record("/first"));
    } else {
      (*log)->reopen();
      writer->flush();
      largest_file(usual.rlim_cur);
    }
    writer->flush();
    CHECK(dir.read("log") == (first + second).substr(0, half) + "\n" + (starts_again ? first : second));
  }
}

TEST_CASE("a log that turns to another file inside a line leaves that line whole in one of them") {
  signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  getrlimit(RLIMIT_FSIZE, &usual);
  const std::string first = line_of(record("/first")), second = line_of(record("/second"));
  const auto largest_file = [&](size_t bytes) {
    const rlimit limit{bytes, usual.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  };
  for (const bool there_is_room_again : {false, true}) {
    CAPTURE(there_is_room_again);
    const test::TempDir dir;
    LogWriter writer;
    auto log = AccessLog::open(writer, {AccessLog::To::file, dir.path("old"), 1, 1 << 16});
    REQUIRE(log);
    largest_file(first.size() + second.size() / 2);  // as on a disk that is full there
    (*log)->write(0, record("/first"));
    (*log)->write(0, record("/second"));
    writer.flush();
    CHECK(dir.read("old").size() == first.size() + second.size() / 2);
    if (there_is_room_again) largest_file(usual.rlim_cur);
    REQUIRE((*log)->redirect(AccessLog::To::file, dir.path("next")));
    if (there_is_room_again) (*log)->write(0, record("/first"));
    writer.flush();
    largest_file(usual.rlim_cur);
    CHECK(dir.read("next") == (there_is_room_again ? first : second));
    if (there_is_room_again) CHECK(dir.read("old") == first + second);
  }
}
