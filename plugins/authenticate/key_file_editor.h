// KeyFileEditor: a key file while a command changes it: locked, read, and written again as a whole.
//
// One editor of a file at a time, also by another of its names; readers see the old file or the new one,
// never half of one. A symbolic link is followed and stays one.
#pragma once

#include <string>

#include "gateway/base/error.h"
#include "plugins/authenticate/api_key_file.h"

namespace sallyport {

class KeyFileEditor {
 public:
  // Errors: io; invalid_data, whose detail has every problem of the file, one a line. may_be_missing: the
  // file is empty then, and is made by save().
  static Result<KeyFileEditor> open(const std::string& path, bool may_be_missing);
  KeyFileEditor(KeyFileEditor&& other) noexcept;
  ~KeyFileEditor();

  ApiKeyFile file;
  // Writes it if the gateway would take it, and reads it again: good only if what the path names has become
  // what was written.
  Result<void> save();
  // Lets others at the file; nothing is saved after this.
  void release() noexcept;

 private:
  KeyFileEditor(std::string path, std::string real, int lock);

  std::string path_;
  std::string real_;  // the file that the path means
  int lock_;
};

// Reads a key file that is not to be changed, with all the checks of the gateway's; the errors as above.
Result<ApiKeyFile> read_key_file(const std::string& path);

}  // namespace sallyport
