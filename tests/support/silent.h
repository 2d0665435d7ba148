// Silent: an address on which nobody answers a SYN, 127.0.0.2 and a port.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "gateway/base/fd.h"

namespace sallyport::test {

// What waits there to be accepted is as much as may.
class Silent {
 public:
  explicit Silent(int port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, "127.0.0.2", &at.sin_addr);
    const auto* address = reinterpret_cast<const sockaddr*>(&at);
    REQUIRE(bind(listener_.get(), address, sizeof at) == 0);
    REQUIRE(listen(listener_.get(), 0) == 0);
    for (int i = 0; i < 3; ++i) {
      waiting_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      connect(waiting_.back().get(), address, sizeof at);
    }
  }

 private:
  Fd listener_{socket(AF_INET, SOCK_STREAM, 0)};
  std::vector<Fd> waiting_;
};

}  // namespace sallyport::test
