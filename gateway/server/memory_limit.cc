#include "gateway/server/memory_limit.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <string>

namespace sallyport::server {
namespace {

size_t limit_in(const std::string& file) {
  std::ifstream in(file);
  size_t bytes = SIZE_MAX;  // "max" is no number
  return in >> bytes ? bytes : SIZE_MAX;
}

// Of the group and of all that it lies in. A container may see its own group as the root.
size_t limit_of_group(const std::string& root, const std::string& file, std::string path) {
  size_t least = limit_in(root + file);
  for (; path.size() > 1; path.erase(path.rfind('/'))) least = std::min(least, limit_in(root + path + file));
  return least;
}

size_t cgroup_limit() {
  std::ifstream groups("/proc/self/cgroup");
  size_t least = SIZE_MAX;
  for (std::string line; std::getline(groups, line);) {  // "4:memory:/path", or "0::/path" for v2
    const size_t path = line.find('/');
    if (path == std::string::npos) continue;
    if (line.find(":memory:") < path)
      least = std::min(least,
                       limit_of_group("/sys/fs/cgroup/memory", "/memory.limit_in_bytes", line.substr(path)));
    if (line.starts_with("0::"))
      least = std::min(least, limit_of_group("/sys/fs/cgroup", "/memory.max", line.substr(path)));
  }
  return least;
}

}  // namespace

size_t memory_limit() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  const size_t machine =
      pages > 0 && page > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(page) : SIZE_MAX;
  return std::min(machine, cgroup_limit());
}

}  // namespace sallyport::server
