// Content in chunks, however they are cut.
#include "tests/cost/gate.h"
#include "tests/cost/input.h"

namespace sallyport::cost {
namespace {

std::string chunked(const std::string& chunks, const std::string& trailers = "") {
  return "POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\nTransfer-Encoding: "
         "chunked\r\n\r\n" +
         chunks + "0\r\n" + trailers + "\r\n";
}

// A JSON string of so many bytes, in chunks that begin like that and have one byte each.
std::string text_in_chunks(size_t bytes, const std::string& size_line) {
  const std::string line = size_line + "\r\n";
  return line + "\"\r\n" + times(bytes, line + "a\r\n") + line + "\"\r\n";
}

}  // namespace

void add_content(Inputs& inputs) {
  const auto reads = std::make_shared<Gate>(
      Gate::one_route("    authenticate: public\n    validate: { body: { schema: any.json } }\n"),
      std::map<std::string, std::string>{{"any.json", "{}"}});
  const auto ignores = std::make_shared<Gate>(Gate::one_route("    authenticate: public\n"));
  inputs.push_back(asked("chunks: of one byte, read whole", 40'000, reads, 204,
                         [](size_t n) { return chunked(text_in_chunks(n, "1")); }));
  inputs.push_back(asked(
      "chunks: of one byte, in pieces of one byte", 5'000, reads, 204,
      [](size_t n) { return chunked(text_in_chunks(n, "1")); }, 1));
  inputs.push_back(asked("chunks: sizes with many zeros", 20'000, reads, 204,
                         [](size_t n) { return chunked(text_in_chunks(n, "0000000000000001")); }));
  inputs.push_back(asked("chunks: extensions", 1'000, reads, 204,
                         [](size_t n) { return chunked(text_in_chunks(n, "1;a=\"b\"")); }));
  inputs.push_back(asked("chunks: more in extensions than in content", 2'000, reads, 400,
                         [](size_t n) { return chunked(text_in_chunks(n, "1;" + std::string(200, 'a'))); }));
  inputs.push_back(asked("chunks: trailers", 300, reads, 204, [](size_t n) {
    return chunked(text_in_chunks(2, "1"), numbered(n, "X-#: v\r\n"));
  }));
  inputs.push_back(asked("content: read off behind an answer", 30'000, ignores, 204,
                         [](size_t n) { return post(std::string(n, 'a')) + get("/x"); }));
  inputs.push_back(asked(
      "content: piece by piece", 400'000, reads, 204,
      [](size_t n) { return post("\"" + std::string(n, 'a') + "\""); }, 1000));
}

}  // namespace sallyport::cost
