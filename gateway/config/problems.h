// Problems: everything that is wrong with a config, collected so that one run of `check` tells it all; and
// what is valid but unwise, as warnings. One thread.
//
// It is for people: the same thing is told once, and of a hostile file not everything. Whether a block could
// be read is what its Reader says (Reader::whole), or whether a Problems of its own is empty; never how many
// there are.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/config/node.h"

namespace sallyport::config {

struct Problem {
  Mark mark;
  std::string message;  // one line; for an unknown key with a "did you mean"
  // "file:line:column", or "file" if it is about the whole of it; empty: nobody knows where.
  std::string place() const;
};

class Problems {
 public:
  static constexpr size_t kept_max = 100;  // of a hostile file we tell no more

  void add(const Mark& mark, std::string message);
  // Of something that works, and that somebody should look at all the same.
  void warn(const Mark& mark, std::string message);
  // Both, from another list.
  void add_all(const Problems& other);

  // What `make` gives for a name among so many others, once: a block of `defaults` is read once for each
  // route. Nothing once so many were looked at that it takes long.
  template <class Make>
  std::string hint(const void* among, size_t others, std::string_view name, Make make) {
    constexpr size_t looked_at_max = 20'000;
    const auto key = std::pair(among, std::string(name));
    if (const auto made = hints_.find(key); made != hints_.end()) return made->second;
    if (looked_at_ > 0 && looked_at_ + others > looked_at_max) return {};
    looked_at_ += others;
    return hints_.emplace(key, make()).first->second;
  }
  // True if nothing is wrong; there may be warnings.
  bool empty() const noexcept { return wrong_.empty(); }
  const std::vector<Problem>& all() const noexcept { return wrong_; }
  const std::vector<Problem>& warnings() const noexcept { return warnings_; }
  // "file:line:column: message", or "…: warning: message", one a line, in the order of the file.
  std::string text() const;
  // The same behind one another, for the error log.
  std::string in_one_line() const;

 private:
  std::vector<std::string> lines() const;

  std::vector<Problem> wrong_;
  std::vector<Problem> warnings_;
  std::map<std::pair<const void*, std::string>, std::string> hints_;
  size_t looked_at_ = 0;  // names, for hints
};

}  // namespace sallyport::config
