// Process and TempDir: what stories run in. A process ends with its object.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sallyport::test {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  // Writes a file whole, by renaming: a watcher never sees half of one.
  std::string write(const std::string& name, const std::string& content) const;
  std::string read(const std::string& name) const;

 private:
  std::string path_;
};

struct Finished {
  int status = -1;  // exit status, or 128 + the signal
  std::string out, err;
};
// Runs to its end, at most three minutes: a GiB takes its time where a sanitizer counts every byte.
Finished run(const std::vector<std::string>& command,
             const std::map<std::string, std::string>& environment = {});

class Process {
 public:
  // stdout and stderr go to files in `dir`.
  Process(const TempDir& dir, const std::string& name, const std::vector<std::string>& command,
          const std::map<std::string, std::string>& environment = {});
  ~Process();  // SIGKILL if it still runs
  Process(const Process&) = delete;

  void signal(int number) const;
  // Its exit status, waited for three minutes at most; 128 + n after signal n.
  int wait();
  bool running();
  pid_t pid() const { return pid_; }
  std::string out() const { return dir_.read(name_ + ".out"); }
  std::string err() const { return dir_.read(name_ + ".err"); }

 private:
  const TempDir& dir_;
  std::string name_;
  pid_t pid_ = -1;
  int status_ = -1;
};

// Asks again and again, for 20 s at most; false if it never came true.
bool eventually(const std::function<bool()>& happened);

// A port that nobody listens on at this moment.
int free_port();

}  // namespace sallyport::test
