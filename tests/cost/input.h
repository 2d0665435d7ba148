// Input: bytes of a stranger in their worst form, in any size, and the work that they make. main.cc has each
// done at one size and at twice that, and tests/cost/run holds what callgrind has counted side by side.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sallyport::cost {

using Work = std::function<void()>;

struct Input {
  std::string name;
  size_t size;  // twice of it is what the limits just let in
  // Makes the bytes of that size, which is not counted; gives what is to be done with them, as often as one
  // likes.
  std::function<Work(size_t size)> make;
};
using Inputs = std::vector<Input>;

// One file each; all of them are listed in main.cc.
void add_heads(Inputs& inputs);
void add_content(Inputs& inputs);
void add_answers(Inputs& inputs);
void add_http2(Inputs& inputs);
void add_json(Inputs& inputs);
void add_callers(Inputs& inputs);
void add_files(Inputs& inputs);

// An input that does not get to what it is meant for.
struct NotAsMeant {
  std::string why;
};
inline void expect(bool as_meant, const std::string& why) {
  if (!as_meant) throw NotAsMeant{why};
}

// The text so many times.
std::string times(size_t count, const std::string& text);
// The same with the number of each in place of a "#".
std::string numbered(size_t count, const std::string& text);

}  // namespace sallyport::cost
