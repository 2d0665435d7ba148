// Does the work of every input, or of those whose names have the argument in them: once to warm up, once
// counted, at its size and at twice that. Run by tests/cost/run, under callgrind.
#include <valgrind/callgrind.h>

#include <cstdio>

#include "tests/cost/input.h"

namespace sallyport::cost {
namespace {

void count(const Input& input, size_t size, const char* which) {
  const Work work = input.make(size);
  work();
  const std::string label = input.name + "|" + which;
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
  work();
  CALLGRIND_DUMP_STATS_AT(label.c_str());
  CALLGRIND_STOP_INSTRUMENTATION;
}

}  // namespace

std::string times(size_t count, const std::string& text) { return numbered(count, text); }

std::string numbered(size_t count, const std::string& text) {
  std::string out;
  const size_t mark = text.find('#');
  for (size_t i = 0; i < count; ++i) {
    if (mark == std::string::npos) {
      out += text;
      continue;
    }
    out.append(text, 0, mark);
    out += std::to_string(100'000 + i);
    out.append(text, mark + 1);
  }
  return out;
}

}  // namespace sallyport::cost

int main(int argc, char** argv) {
  using namespace sallyport::cost;
  Inputs inputs;
  for (auto* add : {&add_heads, &add_content, &add_answers, &add_http2, &add_json, &add_callers, &add_files})
    add(inputs);
  bool failed = false;
  for (const Input& input : inputs) {
    if (argc > 1 && input.name.find(argv[1]) == std::string::npos) continue;
    try {
      count(input, input.size, "1");
      count(input, 2 * input.size, "2");
    } catch (const NotAsMeant& fault) {
      CALLGRIND_STOP_INSTRUMENTATION;
      std::printf("not ok cost of %s: %s\n", input.name.c_str(), fault.why.c_str());
      failed = true;
    }
  }
  return failed ? 1 : 0;
}
