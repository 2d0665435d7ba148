// FakeDns: a DNS server that a story scripts: it reads each query, by UDP or TCP, counts it, and answers what
// the story says.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {

class FakeDns {
 public:
  enum Type { a = 1, aaaa = 28 };
  struct Query {
    std::string name;  // "api.test"
    int type = 0;
    std::string id, question;  // as they came
    bool tcp = false;
  };
  // The messages of an answer, byte for byte; none: silence.
  using Answer = std::function<std::vector<std::string>(const Query&)>;
  explicit FakeDns(Answer answer);
  ~FakeDns();
  FakeDns(const FakeDns&) = delete;

  std::string server() const { return "127.0.0.1:" + std::to_string(port_); }
  // How many queries for a name have come, of both types; "": for all.
  size_t count(const std::string& name = "") const;

  // Addresses for a query of that type, else that there is none: {"192.0.2.1"} for A, {"2001:db8::1"} for
  // AAAA.
  static std::vector<std::string> addresses(const Query& query, const std::vector<std::string>& all,
                                            uint32_t ttl = 60);
  static std::vector<std::string> silence() { return {}; }
  // 2: SERVFAIL, 3: NXDOMAIN (RFC 1035 section 4.1.1).
  static std::vector<std::string> code(const Query& query, int code) { return {message(query, code, 0)}; }
  static std::vector<std::string> truncated(const Query& query) { return {message(query, 0x200, 0)}; }
  // The head and the question of an answer: flags beside those that each answer has, and how many records
  // follow.
  static std::string message(const Query& query, int flags, int records);

 private:
  void serve();
  void serve_datagram();
  void serve_connection();
  std::vector<std::string> answers(const std::string& bytes, bool tcp);

  Answer answer_;
  int socket_ = -1;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace sallyport::test
