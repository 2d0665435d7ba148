#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace sallyport::test {

TempDir::TempDir() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "sallyport-").string() + std::string(6, 'X');
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = pattern;
}
TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::write(const std::string& name, const std::string& content) const {
  const std::string to = path(name);
  std::filesystem::create_directories(std::filesystem::path(to).parent_path());
  std::ofstream(to + ".part", std::ios::binary) << content;
  std::filesystem::rename(to + ".part", to);
  return to;
}

std::string TempDir::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

bool eventually(const std::function<bool()>& happened) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!happened()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Process::Process(const TempDir& dir, const std::string& name, const std::vector<std::string>& command,
                 const std::map<std::string, std::string>& environment)
    : dir_(dir), name_(name) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out = dir.path(name + ".out"), err = dir.path(name + ".err");
  pid_ = fork();
  if (pid_ != 0) return;
  for (const auto& [key, value] : environment) setenv(key.c_str(), value.c_str(), 1);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
  dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
  ::signal(SIGPIPE, SIG_DFL);  // ignored here only (doctest_main.cc)
  execvp(argv[0], argv.data());
  _exit(127);
}

Process::~Process() {
  if (!running()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const { kill(pid_, number); }

bool Process::running() {
  if (status_ >= 0) return false;
  int raw = 0;
  if (waitpid(pid_, &raw, WNOHANG) == 0) return true;
  status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return false;
}

int Process::wait() {
  for (int i = 0; i < 9; ++i) {
    if (eventually([&] { return !running(); })) return status_;
  }
  return -1;
}

Finished run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment) {
  const TempDir dir;
  Process process(dir, "run", command, environment);
  Finished done;
  done.status = process.wait();
  done.out = process.out();
  done.err = process.err();
  return done;
}

int free_port() {
  const int s = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  getsockname(s, reinterpret_cast<sockaddr*>(&address), &size);
  close(s);
  return ntohs(address.sin_port);
}

}  // namespace sallyport::test
