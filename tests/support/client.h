// Client: a blocking connection to a gateway, with TLS or without; sends raw bytes and reads what comes. Ten
// seconds of silence end a wait.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {

struct Response {
  int status = 0;  // 0: nothing came
  std::string head;
  std::map<std::string, std::string> headers;  // names in lower case; several of one name joined with ", "
  std::string body;
  std::string raw;  // head and content as they came, chunks and all
  bool truncated = false;
  std::string header(const std::string& name) const {
    auto at = headers.find(name);
    return at == headers.end() ? "" : at->second;
  }
};

struct ClientOptions {
  bool tls = true;
  std::string server_name;  // SNI
  std::string max_version;  // "1.2"
  std::string alpn;         // wire format
  std::string session;      // of an earlier connection: resumes it
  std::string cert, key;    // files of a client certificate
  std::string before_tls;   // bytes in front of the handshake
  int receive_buffer = 0;   // of the socket; 0: as large as the system likes
};

class Client {
 public:
  explicit Client(int port, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;

  bool connected() const;  // the handshake succeeded
  bool resumed() const;
  std::string version() const;
  std::string session() const;           // to resume with; after something was read
  std::string certificate_name() const;  // the subject's CN of what the server presented
  bool send(const std::string& bytes);
  bool send_raw(const std::string& bytes);  // as they are, also where there is TLS
  // One answer; a HEAD's has no content.
  Response read(bool head = false);
  Response ask(const std::string& bytes) { return send(bytes) ? read() : Response{}; }
  // Bytes as they come; empty at the end.
  std::string read_some();
  bool at_end();                // the server has closed, and nothing is left to read
  bool ended_in_order() const;  // with close_notify, or FIN: what came is all, not what was left of it
  void reset();                 // RST
  void half_close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string get(const std::string& path, const std::string& headers = "");
std::string post(const std::string& path, const std::string& body,
                 const std::string& headers = "Content-Type: application/json\r\n");

}  // namespace sallyport::test
