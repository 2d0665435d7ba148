// Origin: a backend that a story scripts: it reads each request raw, keeps it, and answers what the story
// says.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/tcp_server.h"

namespace sallyport::test {

struct OriginRequest {
  std::string head;        // with its empty line
  std::string body;        // decoded; of what has a Content-Length at most the first body_kept_max
  std::string coded_body;  // as it came, chunks and all
  uint64_t body_bytes = 0;
  int connection = 0;
  bool has(const std::string& line) const { return head.find(line + "\r\n") != std::string::npos; }
};

class Origin {
 public:
  static constexpr size_t body_kept_max = 1u << 20;
  static constexpr const char* broken_off = "(broken off)";  // the body of a request that was not whole
  // What is sent for a request, byte for byte. "" closes the connection; an answer that ends with close_mark
  // is sent without the mark, and the connection closed.
  using Answer = std::function<std::string(const OriginRequest&)>;
  static constexpr const char* close_mark =
      "\x01"
      "close";

  // The same, with a reset.
  static constexpr const char* reset_mark = "\x01reset";

  // The end of an answer whose content is to be sent that many times in all.
  static std::string times(size_t count) { return "\x01times:" + std::to_string(count); }

  // early: asked when the head is there, before the content is read; what it gives is sent at once, and is
  // the answer unless it is interim; behind a 101 every byte is sent back.
  explicit Origin(Answer answer = ok("ok"), Answer early = {}, const Place& place = {});
  Origin(const Origin&) = delete;

  int port() const { return server_.port(); }
  std::string target() const { return "http://127.0.0.1:" + std::to_string(port()); }
  std::vector<OriginRequest> requests() const;
  // Throws if there was none: then that story has failed, and no other.
  OriginRequest last() const;
  int connections() const { return server_.connections(); }
  // Sends bytes that nobody has asked for over the connection of that number.
  void send_unasked(int connection, const std::string& bytes) { server_.send_unasked(connection, bytes); }

  static Answer ok(std::string body);

 private:
  void serve(int fd, int number);
  static bool answer_with(int fd, std::string answer);

  Answer answer_, early_;
  mutable std::mutex mutex_;
  std::vector<OriginRequest> requests_;
  TcpServer server_;  // last: its threads use the others
};

}  // namespace sallyport::test
