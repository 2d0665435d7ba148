// What tests of core share: a client that takes every answer. One thread.
#pragma once

#include <cstdlib>

#include "gateway/http/responder.h"

namespace sallyport::test {

struct NoResponder final : http::Responder {
  Task<Result<void>> respond(const http::Request&, http::Response&) override {
    return Task<Result<void>>::ready({});
  }
  void interim(const http::Request&, const http::Response&) override {}
  http::Body& open_tunnel() override { std::abort(); }
  bool head_sent() const noexcept override { return false; }
  uint64_t content_received() const noexcept override { return 0; }
  uint64_t content_sent() const noexcept override { return 0; }
};

}  // namespace sallyport::test
