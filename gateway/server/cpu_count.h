// cpu_count: how many workers the machine, or the container, has room for.
#pragma once

#include <cstddef>

namespace sallyport::server {

// The smaller of the CPUs this process may run on and the cgroup's CPU limit (v2 cpu.max, v1 cfs quota),
// rounded up; at least 1.
size_t cpu_count();

}  // namespace sallyport::server
