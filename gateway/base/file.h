// Files that a config names, read whole. Any thread; it blocks as long as a disk does, so never on a worker.
#pragma once

#include <cstddef>
#include <string>

#include "gateway/base/error.h"

namespace sallyport {

// At most bytes_max, of a regular file, to which symlinks may lead: a pipe or a device could keep whoever
// reads it waiting for ever, or never end. Errors: io and invalid_data, with the cause, without the path.
Result<std::string> read_file(const std::string& path, size_t bytes_max);
// Whether that error tells nothing of what is in the file: the same file may well be read the next moment (no
// descriptor was left, its owner had not let us yet).
inline bool is_unread(const Error& error) noexcept { return error.code == Code::io; }

}  // namespace sallyport
