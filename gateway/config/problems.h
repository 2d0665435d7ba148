// Problems: everything that is wrong with a config, collected so that one run of `check` tells it all. One
// thread.
#pragma once

#include <string>
#include <vector>

#include "gateway/config/node.h"

namespace sallyport::config {

struct Problem {
  Mark mark;
  std::string message;  // one line; for an unknown key with a "did you mean"
};

class Problems {
 public:
  static constexpr size_t kept_max = 100;  // of a hostile file we tell no more

  void add(const Mark& mark, std::string message);
  bool empty() const noexcept { return found_.empty(); }
  const std::vector<Problem>& all() const noexcept { return found_; }
  // "file:line:column: message", one a line, in the order of the file.
  std::string text() const;

 private:
  std::vector<Problem> found_;
};

}  // namespace sallyport::config
